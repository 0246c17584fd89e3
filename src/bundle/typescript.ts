import type { Metafile } from "esbuild";
import { isBuiltin } from "node:module";
import { realpath, readFile, writeFile } from "node:fs/promises";
import { join, relative } from "node:path";
import type { NodeConfig, Project } from "../config/model.ts";
import { throwIfAny, usageError, type Place, type RtkitError } from "../core/errors.ts";
import { digestOf, sha256, type Json } from "../pipeline/digest.ts";
import { writeDependencies } from "./dependencies.ts";
import { addonErrors, computedAddonUses } from "./native-addons.ts";
import { npmPackages } from "./npm-packages.ts";
import { bundleName, type ScannedNode, type ScanOptions } from "./scanned-node.ts";
import { moveError, movePlace } from "./places.ts";
import { buildTypescript } from "./typescript-build.ts";
import { isDependency, SDK_NAMESPACE } from "./typescript-plugins.ts";
import { findFileUses, lineAndColumn, offsetOfSpecifier } from "./typescript-source.ts";

/** Debian trixie's nodejs package: 20.19.2 (packages.debian.org/trixie/nodejs). */
const DEBIAN_NODEJS = "20.19";

/** Since when Node has them: modules with a `node:` name that not every board's Node has (nodejs.org, "Added in"). */
const ADDED_IN: Readonly<Record<string, string>> = { "node:sqlite": "22.5" };

/**
 * Bundles a TypeScript or JavaScript node in memory (that is fast enough to be the check, too) and finds what one
 * file cannot have: native addons, worker files, data files. Throws every mistake at once, with its place.
 */
export async function scanTypescript(project: Project, node: NodeConfig, options: ScanOptions): Promise<ScannedNode> {
  const dir = await realpath(project.dir);
  const entry = await realpath(node.entry);
  const nodejs = options.nodejs ?? DEBIAN_NODEJS;
  const built = await buildTypescript(dir, entry, node.name, { ...options, nodejs });
  throwIfAny(built.errors.map((error) => moveError(error, dir, project.dir)));
  const { inputs } = built.metafile;
  const files = await readInputs(dir, inputs, options.sdk.typescript);
  const addons = [...built.addons, ...(await computedAddonUses(dir, built.dynamicRequires))];
  const { errors, warnings } = checkSources(dir, files);
  errors.push(
    ...(await addonErrors(dir, relative(dir, entry), inputs, addons)),
    ...(await targetErrors(dir, inputs, nodejs)),
  );
  throwIfAny(errors.map((error) => moveError(error, dir, project.dir)));
  const dependencies = await npmPackages(dir, built.metafile);
  return {
    node,
    sdk: Object.keys(inputs).some((name) => name.startsWith(`${SDK_NAMESPACE}:`)),
    imports: [],
    warnings: [...built.warnings, ...warnings].map(({ place, text }) => ({
      where: movePlace(place, dir, project.dir),
      message: text,
    })),
    step: {
      name: `bundle-${node.name}`,
      title: `Bundle ${node.name} (${/\.[cm]?tsx?$/.test(node.entry) ? "TypeScript" : "JavaScript"})`,
      inputs: {
        files: Object.fromEntries(files.map(({ name, digest }) => [name, digest])),
        // Also what package.json, tsconfig.json and esbuild itself made of them.
        output: sha256(built.code),
        map: sha256(built.map),
        dependencies: digestOf(dependencies as unknown as Json),
      },
      run: async (outDir) => {
        await writeFile(join(outDir, bundleName(node)), built.code);
        await writeFile(join(outDir, `${bundleName(node)}.map`), built.map);
        await writeDependencies(outDir, dependencies);
      },
    },
  };
}

interface InputFile {
  readonly name: string;
  readonly digest: string;
  /** The text, of the project's own sources only. */
  readonly source: string | undefined;
}

interface Warning {
  readonly place: Place;
  readonly text: string;
}

async function readInputs(dir: string, inputs: Metafile["inputs"], sdkDir: string): Promise<InputFile[]> {
  const files: InputFile[] = [];
  for (const name of Object.keys(inputs).toSorted()) {
    const sdkFile = name.startsWith(`${SDK_NAMESPACE}:`)
      ? join(sdkDir, name.slice(SDK_NAMESPACE.length + 1))
      : undefined;
    // esbuild's own, such as `(disabled):…` for modules that a package leaves out.
    if (sdkFile === undefined && /^\(?[\w-]+\)?:/.test(name)) continue;
    const bytes = await readFile(sdkFile ?? join(dir, name));
    const own = sdkFile === undefined && !isDependency(name) && /\.[cm]?[jt]sx?$/.test(name);
    files.push({ name, digest: sha256(bytes), source: own ? bytes.toString("utf8") : undefined });
  }
  return files;
}

function checkSources(dir: string, files: readonly InputFile[]): { errors: RtkitError[]; warnings: Warning[] } {
  const errors: RtkitError[] = [];
  const warnings: Warning[] = [];
  for (const { name, source } of files) {
    for (const { kind, offset, text } of source === undefined ? [] : findFileUses(source)) {
      const place = { file: join(dir, name), ...lineAndColumn(source ?? "", offset) };
      if (kind === "worker") {
        const hint = "make it a node of its own: one process per node is what the real-time scheduling is applied to";
        errors.push(
          usageError("RTK_BUNDLE_WORKER", `a worker thread's file cannot be part of a bundle: ${text}`, {
            where: place,
            hint,
          }),
        );
      } else {
        const advice = "files beside the source are not in the bundle; import JSON and text files instead";
        warnings.push({ place, text: `${text}: ${advice}` });
      }
    }
  }
  return { errors, warnings };
}

/** Whether a version has at least the major and minor numbers of another one. */
function isAtLeast(version: string, other: string): boolean {
  const [[major = 0, minor = 0], [otherMajor = 0, otherMinor = 0]] = [numbersOf(version), numbersOf(other)];
  return major > otherMajor || (major === otherMajor && minor >= otherMinor);
}

function numbersOf(version: string): number[] {
  return version.split(".").map(Number);
}

function isInTarget(module: string, nodejs: string): boolean {
  return !module.startsWith("node:") || (isBuiltin(module) && isAtLeast(nodejs, ADDED_IN[module] ?? "0"));
}

async function targetErrors(dir: string, inputs: Metafile["inputs"], nodejs: string): Promise<RtkitError[]> {
  const errors: RtkitError[] = [];
  for (const [name, { imports }] of Object.entries(inputs)) {
    const beyond = imports.filter(({ path, external }) => external === true && !isInTarget(path, nodejs));
    for (const { path } of beyond) {
      const source = await readFile(join(dir, name), "utf8");
      const offset = offsetOfSpecifier(source, path);
      const where = { file: join(dir, name), ...(offset === undefined ? {} : lineAndColumn(source, offset)) };
      const since = ADDED_IN[path];
      if (since === undefined) errors.push(usageError("RTK_BUNDLE_IMPORT", `Node has no module ${path}`, { where }));
      else {
        const text = `${path} came with Node ${since}; the board has Node ${nodejs}`;
        const hint = `name a newer Node in rtkit.yaml: image: { node: "24" }`;
        errors.push(usageError("RTK_BUNDLE_IMPORT", text, { where, hint }));
      }
    }
  }
  return errors;
}
