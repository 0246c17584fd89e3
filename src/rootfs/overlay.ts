import { existsSync } from "node:fs";
import { readdir, readFile, readlink, stat } from "node:fs/promises";
import { basename, join, relative } from "node:path";
import type * as z from "zod";
import { parseYaml, type SourceDocument } from "../config/document.ts";
import { valueAt, wrongKind } from "../config/issues.ts";
import { errnoCode, RtkitError, RtkitErrors, throwIfAny, usageError, type Place } from "../core/errors.ts";
import { fileContent, readText, type Layer, type LayerEntry } from "./layer.ts";
import { overlaySchema, type OverlayFile } from "./overlay-file.ts";

/** Where overlays and the programs they install are. */
export interface OverlayOptions {
  /** Folder of device programs compiled for the board's architecture. */
  readonly programsDir: string;
}

/**
 * Reads overlays (folders with `overlay.yaml` and `rootfs/`), in layering order. All mistakes are thrown at once:
 * RTK_OVERLAY_MISSING, RTK_OVERLAY_INVALID, RTK_OVERLAY_PATH, RTK_OVERLAY_PROGRAM, and those of YAML itself.
 */
export async function loadOverlays(folders: readonly string[], options: OverlayOptions): Promise<Layer[]> {
  const layers: Layer[] = [];
  const errors: RtkitError[] = [];
  for (const folder of folders) {
    try {
      layers.push(await loadOverlay(folder, options));
    } catch (error) {
      if (error instanceof RtkitErrors) errors.push(...error.errors);
      else if (error instanceof RtkitError) errors.push(error);
      else throw error;
    }
  }
  throwIfAny(errors);
  return layers;
}

/** The sysusers.d(5) lines of all layers, in order, without comments: the packages step makes these users. */
export async function sysusersLines(layers: readonly Layer[]): Promise<string> {
  const files = layers
    .flatMap(({ entries }) => entries)
    .filter(({ path }) => /^(?:etc|usr\/lib)\/sysusers\.d\/[^/]+\.conf$/.test(path));
  const texts = await Promise.all(files.map(async ({ content }) => readText(content)));
  const lines = texts.flatMap((text) => text.split("\n")).filter((line) => !/^\s*(?:#|$)/.test(line));
  return lines.map((line) => `${line}\n`).join("");
}

async function loadOverlay(folder: string, options: OverlayOptions): Promise<Layer> {
  const file = join(folder, "overlay.yaml");
  const bytes = await readFile(file).catch((error: unknown) => {
    if (errnoCode(error) === undefined) throw error;
    throw usageError("RTK_OVERLAY_MISSING", `no overlay at ${folder}: it has no overlay.yaml`, {
      hint: "make overlay.yaml with a description, and rootfs/ with the files",
      where: { file },
      cause: error,
    });
  });
  const parsed = parseYaml(bytes, file);
  if (parsed.document === undefined) throw new RtkitErrors(parsed.errors);
  const { document } = parsed;
  const checked = overlaySchema.safeParse(document.data);
  if (!checked.success) throw new RtkitErrors(schemaErrors(checked.error, document));
  return assemble(folder, checked.data, document, options);
}

async function assemble(
  folder: string,
  description: OverlayFile,
  document: SourceDocument,
  options: OverlayOptions,
): Promise<Layer> {
  const errors: RtkitError[] = [];
  const entries = new Map<string, LayerEntry>();
  const add = (entry: LayerEntry): void => {
    if (entries.has(entry.path) && entries.get(entry.path)?.content.kind !== "directory") {
      const message = `/${entry.path} is in this overlay twice`;
      errors.push(usageError("RTK_OVERLAY_PATH", message, { where: entry.where, hint: "remove one of the two" }));
    }
    entries.set(entry.path, entry);
  };
  const plain = { owner: "root", group: "root" };
  for (const entry of await readRootfs(join(folder, "rootfs"))) add(entry);
  for (const [path, target] of Object.entries(description.links ?? {})) {
    const where = document.place(["links", path], "key");
    add({ path: path.slice(1), content: { kind: "symlink", target }, mode: 0o777, ...plain, where });
  }
  for (const [program, { to, mode }] of Object.entries(description.programs ?? {})) {
    const where = document.place(["programs", program], "key");
    const source = join(options.programsDir, program);
    if (!existsSync(source)) {
      const message = `the device program ${program} is not compiled for this board`;
      errors.push(usageError("RTK_OVERLAY_PROGRAM", message, { where, hint: "run: npm run setup" }));
      continue;
    }
    add({ path: to.slice(1), content: await fileContent(source), mode: parseMode(mode) ?? 0o755, ...plain, where });
  }
  for (const [path, wish] of Object.entries(description.paths ?? {})) {
    const where = document.place(["paths", path], "key");
    const there = entries.get(path.slice(1));
    const isFolder = wish.directory === true || there?.content.kind === "directory";
    if (there === undefined && !isFolder) {
      const message = `paths names ${path}, which is not in the overlay's rootfs`;
      const hint = "add the file, or directory: true for an empty folder";
      errors.push(usageError("RTK_OVERLAY_PATH", message, { where, hint }));
      continue;
    }
    if (wish.directory === true && there !== undefined && there.content.kind !== "directory") {
      const message = `${path} is a folder in paths and a file in rootfs`;
      errors.push(usageError("RTK_OVERLAY_PATH", message, { where, hint: "remove directory: true" }));
      continue;
    }
    entries.set(path.slice(1), {
      path: path.slice(1),
      content: isFolder || there === undefined ? { kind: "directory", declared: true } : there.content,
      mode: parseMode(wish.mode) ?? there?.mode ?? 0o755,
      owner: wish.owner ?? "root",
      group: wish.group ?? "root",
      where,
    });
  }
  throwIfAny(errors);
  return {
    name: `overlay ${basename(folder)}`,
    entries: [...entries.values()].toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    replaces: new Map(
      (description.replaces ?? []).map((path, index) => [path.slice(1), document.place(["replaces", index])]),
    ),
  };
}

/** Everything below `rootfs/`. Only the executable bit of a file's mode counts: the rest depends on who checked it out. */
async function readRootfs(rootfs: string): Promise<LayerEntry[]> {
  if (!existsSync(rootfs)) return [];
  const entries: LayerEntry[] = [];
  for (const entry of await readdir(rootfs, { recursive: true, withFileTypes: true })) {
    const source = join(entry.parentPath, entry.name);
    const where: Place = { file: source };
    const base = { path: relative(rootfs, source), owner: "root", group: "root", where };
    if (entry.isDirectory()) entries.push({ ...base, content: { kind: "directory", declared: false }, mode: 0o755 });
    else if (entry.isSymbolicLink()) {
      entries.push({ ...base, content: { kind: "symlink", target: await readlink(source) }, mode: 0o777 });
    } else if (entry.isFile()) {
      const executable = ((await stat(source)).mode & 0o100) !== 0;
      entries.push({ ...base, content: await fileContent(source), mode: executable ? 0o755 : 0o644 });
    } else {
      throw usageError("RTK_OVERLAY_PATH", "this is neither file, folder nor link", {
        where,
        hint: "remove it from the overlay",
      });
    }
  }
  return entries;
}

function schemaErrors(error: z.ZodError, document: SourceDocument): RtkitError[] {
  return error.issues.map((issue) => {
    const path = issue.path.filter((part) => typeof part !== "symbol");
    if (issue.code === "unrecognized_keys") {
      const [key = ""] = issue.keys;
      return usageError("RTK_OVERLAY_INVALID", `unknown key "${key}" in an overlay`, {
        where: document.place([...path, key], "key"),
        hint: `overlay.yaml has: ${Object.keys(overlaySchema.shape).join(", ")}`,
      });
    }
    const value = valueAt(document.data, path);
    if (issue.code === "invalid_type" && value !== undefined) {
      const { what, hint } = wrongKind(issue, value);
      const text =
        value === null && path.length === 0 ? "the file is empty" : `${path.join(".") || "overlay.yaml"}: ${what}`;
      const advice = path.length === 0 ? "start with a description: line" : hint;
      return usageError("RTK_OVERLAY_INVALID", text, { where: document.place(path), hint: advice });
    }
    if (issue.code === "invalid_type") {
      return usageError("RTK_OVERLAY_INVALID", `the key "${path.join(".")}" is missing`, {
        where: document.place(path.slice(0, -1), "key"),
        hint: "see docs/overlays.md for what an overlay has to say",
      });
    }
    const inner = issue.code === "invalid_key" ? issue.issues[0]?.message : undefined;
    return usageError("RTK_OVERLAY_INVALID", `${path.join(".") || "overlay.yaml"}: ${inner ?? issue.message}`, {
      where: document.place(path, issue.code === "invalid_key" ? "key" : "value"),
      hint: "see docs/overlays.md for what an overlay may say",
    });
  });
}

function parseMode(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number.parseInt(text, 8);
}
