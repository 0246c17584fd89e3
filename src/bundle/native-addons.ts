import { build, type Metafile } from "esbuild";
import { existsSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { usageError, type RtkitError } from "../core/errors.ts";
import { lineAndColumn, offsetOfSpecifier } from "./typescript-source.ts";
import { isDependency, loaderOf, packageOf, type AddonUse } from "./typescript-plugins.ts";

/** An edge of the module graph: `from` imports `specifier`. Paths are relative to the project's folder. */
interface Edge {
  readonly from: string;
  readonly specifier: string;
}

/**
 * The native addons that a node cannot do without. An addon whose failure is caught (`try { require(…) } catch`)
 * anywhere on the way to it is none of them: the program goes on without it, as it would where none is built.
 */
export async function addonErrors(
  projectDir: string,
  entry: string,
  inputs: Metafile["inputs"],
  uses: readonly AddonUse[],
): Promise<RtkitError[]> {
  const importers = importersOf(inputs);
  const errors: RtkitError[] = [];
  const seen = new Set<string>();
  for (const { importer, specifier } of uses) {
    const file = relative(projectDir, importer);
    const blame = await unguardedWay({ from: file, specifier }, entry, projectDir, importers);
    const name = packageOf(file) ?? packageOf(join("node_modules", specifier));
    if (blame === undefined || seen.has(`${blame.from} ${name}`)) continue;
    seen.add(`${blame.from} ${name}`);
    errors.push(await addonError(projectDir, blame, isDependency(file) ? `the package ${name}` : specifier));
  }
  return errors;
}

/** Uses by packages that choose their addon's file at run time: known by what they ship. */
export async function computedAddonUses(projectDir: string, dynamic: Iterable<string>): Promise<AddonUse[]> {
  const uses: AddonUse[] = [];
  for (const file of new Set(dynamic)) {
    const name = packageOf(file);
    const root =
      name === undefined
        ? undefined
        : file.slice(0, file.lastIndexOf(`node_modules/${name}`) + `node_modules/${name}`.length);
    if (root !== undefined && (await shipsAddon(join(projectDir, root)))) {
      uses.push({ importer: join(projectDir, file), specifier: `${name} (its addon)` });
    }
  }
  return uses;
}

async function shipsAddon(packageDir: string): Promise<boolean> {
  if (existsSync(join(packageDir, "binding.gyp")) || existsSync(join(packageDir, "prebuilds"))) return true;
  const manifest: unknown = JSON.parse(await readFile(join(packageDir, "package.json"), "utf8"));
  return (
    typeof manifest === "object" && manifest !== null && ["gypfile", "napi", "binary"].some((key) => key in manifest)
  );
}

/**
 * Follows unguarded imports from an addon's importer up to the entry, breadth first. Returns the last import on that way
 * that the project itself makes, or undefined when every way is guarded.
 */
async function unguardedWay(
  start: Edge,
  entry: string,
  projectDir: string,
  importers: ReadonlyMap<string, readonly Edge[]>,
): Promise<Edge | undefined> {
  const queue: { edge: Edge; blame: Edge }[] = [{ edge: start, blame: start }];
  const seen = new Set<string>();
  for (let next = queue.shift(); next !== undefined; next = queue.shift()) {
    const { edge, blame } = next;
    if (await isGuarded(join(projectDir, edge.from), edge.specifier)) continue;
    if (edge.from === entry) return isDependency(blame.from) ? edge : blame;
    if (seen.has(edge.from)) continue;
    seen.add(edge.from);
    for (const above of importers.get(edge.from) ?? []) {
      queue.push({ edge: above, blame: isDependency(blame.from) ? above : blame });
    }
  }
  return undefined;
}

/**
 * True when a file bears it that `specifier` cannot be loaded. esbuild itself tells: it does not complain of an
 * unresolvable module where the failure is caught.
 */
async function isGuarded(file: string, specifier: string): Promise<boolean> {
  const contents = await readFile(file, "utf8");
  if (offsetOfSpecifier(contents, specifier) === undefined) return false;
  const { errors } = await build({
    stdin: { contents, loader: loaderOf(file), resolveDir: join(dirname(file), "nowhere") },
    bundle: true,
    write: false,
    platform: "node",
    format: "esm",
    logLevel: "silent",
    plugins: [
      {
        name: "all-but-one",
        setup: ({ onResolve }) =>
          onResolve({ filter: /.*/ }, ({ path }) =>
            // Left to esbuild, which looks for it in a folder that does not exist.
            path === specifier ? undefined : { path, external: true },
          ),
      },
    ],
  }).catch((error: unknown) => error as { errors: unknown[] });
  return errors.length === 0;
}

function importersOf(inputs: Metafile["inputs"]): Map<string, Edge[]> {
  const importers = new Map<string, Edge[]>();
  for (const [from, { imports }] of Object.entries(inputs)) {
    for (const { path, original } of imports) {
      importers.set(path, [...(importers.get(path) ?? []), { from, specifier: original ?? path }]);
    }
  }
  return importers;
}

async function addonError(projectDir: string, at: Edge, what: string): Promise<RtkitError> {
  const file = join(projectDir, at.from);
  const source = await readFile(file, "utf8");
  const offset = offsetOfSpecifier(source, at.specifier);
  return usageError("RTK_BUNDLE_NATIVE_ADDON", `${what} needs a native addon, which cannot be part of a bundle`, {
    where: { file, ...(offset === undefined ? {} : lineAndColumn(source, offset)) },
    hint: "use a package in plain JavaScript, or make a native executable a node of its own",
  });
}
