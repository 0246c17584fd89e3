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
import { buildTypescript, TARGET_NODE } from "./typescript-build.ts";
import { isDependency, SDK_NAMESPACE } from "./typescript-plugins.ts";
import { findFileUses, lineAndColumn, offsetOfSpecifier } from "./typescript-source.ts";

/** Modules with a `node:` name that the board's Node does not have (nodejs.org, "Added in"). */
const NOT_IN_TARGET: Readonly<Record<string, string>> = { "node:sqlite": "22.5" };

/**
 * Bundles a TypeScript or JavaScript node in memory (that is fast enough to be the check, too) and finds what one
 * file cannot have: native addons, worker files, data files. Throws every mistake at once, with its place.
 */
export async function scanTypescript(project: Project, node: NodeConfig, options: ScanOptions): Promise<ScannedNode> {
  const dir = await realpath(project.dir);
  const entry = await realpath(node.entry);
  const built = await buildTypescript(dir, entry, node.name, options);
  throwIfAny(built.errors.map((error) => moveError(error, dir, project.dir)));
  const { inputs } = built.metafile;
  const files = await readInputs(dir, inputs, options.sdk.typescript);
  const addons = [...built.addons, ...(await computedAddonUses(dir, built.dynamicRequires))];
  const { errors, warnings } = checkSources(dir, files);
  errors.push(...(await addonErrors(dir, relative(dir, entry), inputs, addons)), ...(await targetErrors(dir, inputs)));
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

function isInTarget(module: string): boolean {
  return module.startsWith("node:") ? isBuiltin(module) && !(module in NOT_IN_TARGET) : true;
}

async function targetErrors(dir: string, inputs: Metafile["inputs"]): Promise<RtkitError[]> {
  const errors: RtkitError[] = [];
  for (const [name, { imports }] of Object.entries(inputs)) {
    for (const { path } of imports.filter((imported) => imported.external === true && !isInTarget(imported.path))) {
      const source = await readFile(join(dir, name), "utf8");
      const offset = offsetOfSpecifier(source, path);
      const where = { file: join(dir, name), ...(offset === undefined ? {} : lineAndColumn(source, offset)) };
      const since = NOT_IN_TARGET[path];
      const text =
        since === undefined
          ? `Node has no module ${path}`
          : `${path} came with Node ${since}; the board has Node ${TARGET_NODE}`;
      errors.push(usageError("RTK_BUNDLE_IMPORT", text, { where }));
    }
  }
  return errors;
}
