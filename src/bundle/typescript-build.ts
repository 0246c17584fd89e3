import { context, type BuildFailure, type BuildResult, type Message, type Metafile, type OutputFile } from "esbuild";
import { join, relative } from "node:path";
import { usageError, type Place, type RtkitError } from "../core/errors.ts";
import type { ScanOptions } from "./scanned-node.ts";
import { adaptPlugin, addonPlugin, isDependency, sdkPlugin, type AddonUse } from "./typescript-plugins.ts";

/**
 * `require` for CommonJS dependencies. Node resolves links of its main module, and `current` on the board is one:
 * `process.argv[1]` must name the same file as `import.meta.url`, because programs compare them.
 */
const BANNER = [
  'import { createRequire as rtnodeCreateRequire } from "node:module";',
  "const require = rtnodeCreateRequire(import.meta.url);",
  "process.argv[1] = import.meta.filename;",
].join("\n");

/** What esbuild made, or why it could not. */
export interface TypescriptBuild {
  readonly code: Uint8Array;
  readonly map: Uint8Array;
  readonly metafile: Metafile;
  readonly errors: readonly RtkitError[];
  readonly warnings: readonly { readonly place: Place; readonly text: string }[];
  readonly addons: readonly AddonUse[];
  /** Files of dependencies that require a name computed at run time. Relative to the project's folder. */
  readonly dynamicRequires: readonly string[];
}

/** Bundles one entry in memory. `dir` (the project's folder) and `entry` are real paths, `nodejs` is the board's version. */
export async function buildTypescript(
  dir: string,
  entry: string,
  name: string,
  options: Pick<ScanOptions, "signal" | "sdk"> & { readonly nodejs: string },
): Promise<TypescriptBuild> {
  options.signal.throwIfAborted();
  const addons: AddonUse[] = [];
  const builder = await context({
    absWorkingDir: dir,
    entryPoints: [`./${relative(dir, entry)}`],
    outfile: `${name}.mjs`,
    allowOverwrite: true,
    write: false,
    bundle: true,
    platform: "node",
    format: "esm",
    target: `node${options.nodejs}`,
    banner: { js: BANNER },
    define: { __filename: "import.meta.filename", __dirname: "import.meta.dirname", "require.main": "undefined" },
    charset: "utf8",
    sourcemap: "external",
    sourcesContent: true,
    legalComments: "eof",
    metafile: true,
    logLevel: "silent",
    logLimit: 0,
    logOverride: { "unsupported-require-call": "warning", "unsupported-dynamic-import": "warning" },
    plugins: [sdkPlugin(options.sdk.typescript), addonPlugin(addons), adaptPlugin(entry)],
  });
  const cancel = (): void => void builder.cancel();
  options.signal.addEventListener("abort", cancel, { once: true });
  try {
    return describe(dir, await builder.rebuild(), addons);
  } catch (error) {
    options.signal.throwIfAborted();
    if (!isBuildFailure(error)) throw error;
    const empty = {
      code: new Uint8Array(),
      map: new Uint8Array(),
      metafile: { inputs: {}, outputs: {} },
      warnings: [],
      addons,
      dynamicRequires: [],
    };
    return { ...empty, errors: error.errors.map((message) => translate(dir, message)) };
  } finally {
    options.signal.removeEventListener("abort", cancel);
    await builder.dispose();
  }
}

function describe(dir: string, result: BuildResult, addons: readonly AddonUse[]): TypescriptBuild {
  const output = (ending: string): OutputFile => {
    const file = result.outputFiles?.find(({ path }) => path.endsWith(ending));
    if (file === undefined) throw new Error(`esbuild made no ${ending} file`);
    return file;
  };
  return {
    code: output(".mjs").contents,
    map: output(".mjs.map").contents,
    metafile: result.metafile ?? { inputs: {}, outputs: {} },
    errors: [],
    warnings: result.warnings
      .filter(({ location }) => location !== null && !isDependency(location.file))
      .map((message) => ({ place: placeOf(dir, message) ?? { file: dir }, text: message.text })),
    addons,
    dynamicRequires: result.warnings
      .filter(({ id }) => id.startsWith("unsupported-"))
      .map(({ location }) => location?.file ?? "")
      .filter((file) => isDependency(file)),
  };
}

function isBuildFailure(error: unknown): error is BuildFailure {
  return error instanceof Error && "errors" in error && Array.isArray(error.errors);
}

function translate(dir: string, message: Message): RtkitError {
  const where = placeOf(dir, message);
  const at = where === undefined ? {} : { where };
  const unresolved = /^Could not resolve "([^"]*)"/.exec(message.text)?.[1];
  if (unresolved !== undefined) {
    const relativePath = unresolved.startsWith(".") || unresolved.startsWith("/");
    const note = message.notes.map(({ text }) => text).find((text) => !text.includes("external"));
    return usageError("RTK_BUNDLE_IMPORT", `cannot find ${relativePath ? "the file" : "the module"} ${unresolved}`, {
      ...at,
      hint: relativePath ? (note ?? "check the path") : howToProvide(unresolved),
    });
  }
  if (message.text.startsWith("No loader is configured")) {
    const text = `this kind of file cannot be imported: ${message.text.split(": ").at(-1)}`;
    return usageError("RTK_BUNDLE_IMPORT", text, { ...at, hint: "JavaScript, TypeScript, JSON and text files can" });
  }
  const hint = message.notes[0]?.text;
  return usageError("RTK_BUNDLE_SYNTAX", message.text, { ...at, ...(hint === undefined ? {} : { hint }) });
}

/** Names that npm cannot have (`#hw/motor`, `@/motor`) are the project's own: a package.json or tsconfig.json maps them. */
function howToProvide(specifier: string): string {
  if (specifier.startsWith("#")) return 'map it to a file below "imports" in package.json';
  const name = packageName(specifier);
  const isPackage = /^(?:@[\w.-]+\/)?\w[\w.-]*$/.test(name);
  return isPackage ? `npm install ${name}` : 'map it to a file below "paths" in tsconfig.json';
}

function packageName(specifier: string): string {
  return specifier
    .split("/")
    .slice(0, specifier.startsWith("@") ? 2 : 1)
    .join("/");
}

/** esbuild counts columns from 0, in bytes of UTF-8. */
function placeOf(dir: string, { location }: Message): Place | undefined {
  if (location === null) return undefined;
  const before = Buffer.from(location.lineText).subarray(0, location.column).toString("utf8");
  return { file: join(dir, location.file), line: location.line, column: before.length + 1 };
}
