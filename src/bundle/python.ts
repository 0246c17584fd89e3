import { realpath } from "node:fs/promises";
import { join } from "node:path";
import { rtkitRoot } from "../core/paths.ts";
import type { NodeConfig, Project } from "../config/model.ts";
import { RtkitError, throwIfAny, usageError, type Place } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { digestFile, digestOf, type Json } from "../pipeline/digest.ts";
import {
  orderDependencies,
  SDK_PACKAGE,
  writeDependencies,
  type BundleDependencies,
  type PackageFacts,
} from "./dependencies.ts";
import { moveError, movePlace } from "./places.ts";
import { debianPackage, normalizeName } from "./python-modules.ts";
import { requiredModules } from "./requirements.ts";
import { bundleName, type ImageImport, type ScannedNode, type ScanOptions } from "./scanned-node.ts";

const SCRIPTS = join(rtkitRoot, "src", "bundle", "python");

/** What python/scan.py prints. */
interface ScanResult {
  readonly errors: readonly (PythonPlace & { code: string; message: string; hint: string | null })[];
  /** Absent when the entry could not be read at all. */
  readonly entry?: string;
  readonly name: string;
  readonly package: string;
  /** Folders of the zip that stand on the search path, in order. */
  readonly roots: readonly string[];
  readonly files: readonly { readonly name: string; readonly source: string; readonly sha256: string }[];
  /** Of the vendored libraries that are in `files`. */
  readonly distributions: readonly (Omit<PackageFacts, "kind"> & { readonly requires: readonly string[] })[];
  /** Vendored modules that no distribution lists. */
  readonly undescribed: readonly string[];
  readonly sdk: boolean;
  readonly imports: readonly (PythonPlace & Pick<ImageImport, "module" | "insteadOf" | "neededBy">)[];
  readonly warnings: readonly (PythonPlace & { readonly message: string })[];
}

interface PythonPlace {
  readonly file: string;
  readonly line: number | null;
  readonly column: number | null;
}

/**
 * Finds everything a Python node imports, with the target's own Python. Throws every mistake at once, with its place.
 * The step's run throws RTK_BUNDLE_CHANGED when a file is no longer what the scan read.
 */
export async function scanPython(project: Project, node: NodeConfig, options: ScanOptions): Promise<ScannedNode> {
  const request = {
    entry: node.entry,
    project: project.dir,
    vendor: join(project.dir, "vendor"),
    sdk: options.sdk.python,
  };
  // The scripts name files by their real paths.
  const real = await realpath(project.dir);
  const result = (await runScript(options.tools, "scan.py", request, options.signal)) as ScanResult;
  throwIfAny(
    result.errors
      .toSorted((a, b) => (a.file === b.file ? (a.line ?? 0) - (b.line ?? 0) : a.file < b.file ? -1 : 1))
      .map((error) => usageError(error.code, error.message, { where: place(error), ...hintOf(error.hint) }))
      .map((error) => moveError(error, real, project.dir)),
  );
  const required = result.imports.length === 0 ? new Set<string>() : await requiredModules(project.dir);
  const { entry, name, roots } = result;
  const plan = { entry, name, package: result.package, roots };
  const dependencies = pythonPackages(result);
  return {
    node,
    sdk: result.sdk,
    imports: result.imports.map((item) => ({
      module: item.module,
      insteadOf: item.insteadOf,
      neededBy: item.neededBy,
      where: movePlace(place(item), real, project.dir),
      required: required.has(item.module),
    })),
    warnings: result.warnings.map((warning) => ({
      where: movePlace(place(warning), real, project.dir),
      message: warning.message,
    })),
    step: {
      name: `bundle-${node.name}`,
      title: `Bundle ${node.name} (Python)`,
      inputs: {
        plan: { entry: entry ?? null, name, package: result.package, roots },
        files: Object.fromEntries(result.files.map((file) => [file.name, file.sha256])),
        dependencies: digestOf(dependencies as unknown as Json),
        packer: await Promise.all(["pack.py", "bootstrap.py"].map((script) => digestFile(join(SCRIPTS, script)))),
      },
      run: async (outDir, { signal }) => {
        const output = join(outDir, bundleName(node));
        const packed = await runScript(options.tools, "pack.py", { output, plan, files: result.files }, signal);
        const { changed } = packed as { readonly changed: readonly string[] };
        throwIfAny(changed.map((file) => changedError(file)));
        await writeDependencies(outDir, dependencies);
      },
    },
  };
}

/** The project needs all of them: which of its modules imports which library is not told. */
function pythonPackages({ distributions, undescribed, sdk }: ScanResult): BundleDependencies {
  const found = [
    ...distributions.map(({ requires, ...facts }) => ({
      key: normalizeName(facts.name),
      facts: { kind: "pypi" as const, ...facts },
      requires: requires.map((name) => normalizeName(name)),
    })),
    ...undescribed.map((name) => ({
      key: `module ${name}`,
      facts: { kind: "vendored" as const, name, version: null, licence: null },
      requires: [],
    })),
    ...(sdk ? [{ key: `module ${SDK_PACKAGE.name}`, facts: SDK_PACKAGE, requires: [] }] : []),
  ];
  return orderDependencies(
    found,
    found.map(({ key }) => key),
  );
}

async function runScript(tools: Toolbox, script: string, request: unknown, signal: AbortSignal): Promise<unknown> {
  const args = ["-S", "-X", "utf8", join(SCRIPTS, script)];
  const { stdout } = await tools.run("python3", args, { input: JSON.stringify(request), signal });
  return JSON.parse(stdout);
}

function changedError(file: string): RtkitError {
  return new RtkitError("RTK_BUNDLE_CHANGED", "this file changed while the build was running", {
    where: { file },
    hint: "build again",
  });
}

/** The hint `debian:MODULE` of the scripts stands for the Debian package of that module. */
function hintOf(hint: string | null): { readonly hint?: string } {
  if (hint === null) return {};
  const module = /^debian:(.*)$/.exec(hint)?.[1];
  if (module === undefined) return { hint };
  return { hint: `remove it and add ${debianPackage(module)} to image.packages` };
}

function place({ file, line, column }: PythonPlace): Place {
  return { file, ...(line === null ? {} : { line }), ...(column === null ? {} : { column }) };
}
