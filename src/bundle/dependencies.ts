import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { StepOutput } from "../pipeline/step.ts";

/** What is known of something that a bundle holds besides the project's own sources. */
export interface PackageFacts {
  /**
   * `npm`: an installed package; `pypi`: a Python distribution with metadata (packaging.python.org, "Core metadata");
   * `vendored`: a Python module of the vendor folder that nothing says more about; `sdk`: rtkit's own module.
   */
  readonly kind: "npm" | "pypi" | "vendored" | "sdk";
  /** As it names itself: `@scope/name`, `PyYAML`. */
  readonly name: string;
  /** Null when it does not say; the SDK's is rtkit's. */
  readonly version: string | null;
  /** The licence as its metadata writes it, nowadays an SPDX expression; null when it names none. */
  readonly licence: string | null;
}

/** One element of {@link BundleDependencies}. */
export interface BundledPackage extends PackageFacts {
  /** What it needs of the bundle's other packages, as indices into their list, ascending. */
  readonly requires: readonly number[];
}

/** What is in one bundle: the content of `dependencies.json`, part of a bundle step's output. */
export interface BundleDependencies {
  /** Sorted by kind, name and version. */
  readonly packages: readonly BundledPackage[];
  /** What the project's own sources need, as indices into `packages`, ascending. */
  readonly direct: readonly number[];
}

/** The SDK, module `rtnode`, as a package of a bundle. */
export const SDK_PACKAGE: PackageFacts = { kind: "sdk", name: "rtnode", version: null, licence: null };

const FILE = "dependencies.json";

/** Puts packages in order. Each has a key, by which others say that they need it. */
export function orderDependencies(
  found: readonly { readonly key: string; readonly facts: PackageFacts; readonly requires: Iterable<string> }[],
  direct: Iterable<string>,
): BundleDependencies {
  const sortKey = ({ kind, name, version }: PackageFacts): string => JSON.stringify([kind, name, version]);
  const sorted = found.toSorted((a, b) => (sortKey(a.facts) < sortKey(b.facts) ? -1 : 1));
  const places = new Map(sorted.map(({ key }, index) => [key, index]));
  const indices = (keys: Iterable<string>): number[] =>
    [...keys]
      .map((key) => places.get(key))
      .filter((index) => index !== undefined)
      .toSorted((a, b) => a - b);
  return {
    packages: sorted.map(({ facts, requires }) => ({ ...facts, requires: indices(requires) })),
    direct: indices(direct),
  };
}

/** Writes `dependencies.json` into a bundle step's output. */
export async function writeDependencies(outDir: string, dependencies: BundleDependencies): Promise<void> {
  await writeFile(join(outDir, FILE), `${JSON.stringify(dependencies)}\n`);
}

/**
 * Reads what {@link writeDependencies} wrote. Null for the bundle of an executable: nothing says what was linked into
 * it.
 */
export async function readDependencies(bundle: StepOutput): Promise<BundleDependencies | null> {
  if (bundle.files[FILE] === undefined) return null;
  return JSON.parse(await readFile(join(bundle.dir, FILE), "utf8")) as BundleDependencies;
}
