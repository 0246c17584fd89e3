import type { Metafile } from "esbuild";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../core/errors.ts";
import { orderDependencies, SDK_PACKAGE, type BundleDependencies, type PackageFacts } from "./dependencies.ts";
import { packageOf, SDK_NAMESPACE } from "./typescript-plugins.ts";

/** Stands for the project's own files among the keys of packages. */
const OWN = "";

/** A key and the facts it stands for. */
interface Keyed {
  readonly key: string;
  readonly facts: PackageFacts | undefined;
}

/**
 * The npm packages that esbuild put into a bundle: those of which a file is left in the output. `dir` is the folder
 * that the metafile's paths are relative to. Two copies of one version count once.
 */
export async function npmPackages(dir: string, { inputs, outputs }: Metafile): Promise<BundleDependencies> {
  const byRoot = new Map<string, Promise<Keyed>>();
  const keyed = async (file: string): Promise<Keyed> => {
    if (file.startsWith(`${SDK_NAMESPACE}:`)) return { key: SDK_PACKAGE.name, facts: SDK_PACKAGE };
    const root = packageRoot(file);
    if (root === undefined) return { key: OWN, facts: undefined };
    const known = byRoot.get(root) ?? describe(join(dir, root), packageOf(file) ?? root);
    byRoot.set(root, known);
    return known;
  };
  const files = new Map(
    await Promise.all(Object.keys(inputs).map(async (file): Promise<[string, Keyed]> => [file, await keyed(file)])),
  );
  const keyOf = (file: string): string => files.get(file)?.key ?? OWN;
  const left = Object.values(outputs)
    .flatMap((output) => Object.entries(output.inputs))
    .filter(([, { bytesInOutput }]) => bytesInOutput > 0)
    .map(([file]) => keyOf(file));
  const present = new Set([OWN, ...left]);

  const requires = new Map([...present].map((key) => [key, new Set<string>()]));
  for (const file of files.keys()) {
    const from = requires.get(keyOf(file));
    if (from === undefined) continue;
    for (const to of importedPackages(file, inputs, present, keyOf)) if (to !== keyOf(file)) from.add(to);
  }
  const facts = new Map([...files.values()].map((item) => [item.key, item.facts]));
  const found = [...present].flatMap((key) => {
    const known = facts.get(key);
    return known === undefined ? [] : [{ key, facts: known, requires: requires.get(key) ?? [] }];
  });
  return orderDependencies(found, requires.get(OWN) ?? []);
}

/** Keys that a file's imports lead to. A package that only passes on another's exports leaves nothing in the output. */
function importedPackages(
  file: string,
  inputs: Metafile["inputs"],
  present: ReadonlySet<string>,
  keyOf: (file: string) => string,
): Set<string> {
  const keys = new Set<string>();
  const seen = new Set([file]);
  const queue = [file];
  for (let next = queue.pop(); next !== undefined; next = queue.pop()) {
    for (const { path } of inputs[next]?.imports ?? []) {
      if (!(path in inputs) || seen.has(path)) continue;
      seen.add(path);
      if (present.has(keyOf(path))) keys.add(keyOf(path));
      else queue.push(path);
    }
  }
  keys.delete(OWN);
  return keys;
}

/** The folder of the package that a file belongs to, or undefined outside node_modules. */
function packageRoot(file: string): string | undefined {
  const name = packageOf(file);
  if (name === undefined) return undefined;
  const folder = `node_modules/${name}`;
  return file.slice(0, file.lastIndexOf(`${folder}/`) + folder.length);
}

/** What package.json says (docs.npmjs.com, "package.json"); the folder's name stands in for a name it does not give. */
async function describe(root: string, folderName: string): Promise<Keyed> {
  const json = await readFile(join(root, "package.json"), "utf8").catch((error: unknown) => {
    if (errnoCode(error) === "ENOENT") return "{}";
    throw error;
  });
  const fields = { ...(JSON.parse(json) as object) } as Readonly<Record<string, unknown>>;
  const facts: PackageFacts = {
    kind: "npm",
    name: textOf(fields["name"]) ?? folderName,
    version: textOf(fields["version"]),
    licence: textOf(fields["license"]),
  };
  return { key: `${facts.name}@${facts.version}`, facts };
}

function textOf(value: unknown): string | null {
  return typeof value === "string" && value !== "" ? value : null;
}
