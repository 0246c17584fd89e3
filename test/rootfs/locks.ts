import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { sha256 } from "../../src/pipeline/digest.ts";
import type { BoardLock, LockedNodejs, LockedPackage, PackageSet } from "../../src/rootfs/lock.ts";

/** A package of the archive; its hash follows from its name. */
export function lockedPackage(name: string, changes: Partial<LockedPackage> = {}): LockedPackage {
  const version = changes.version ?? "1.0-1";
  const architecture = changes.architecture ?? "arm64";
  return {
    name,
    version,
    architecture,
    sha256: sha256(name),
    size: 1000,
    archive: "archive",
    path: `pool/main/${name.slice(0, 1)}/${name}/${name}_${version.replace(/^\d+:/, "")}_${architecture}.deb`,
    ...changes,
  };
}

/** A set of packages of which all were asked for. */
export function setOf(...packages: readonly LockedPackage[]): PackageSet {
  return { wanted: packages.map(({ name }) => name), packages };
}

/** An official build of Node.js; its hash follows from its version. */
export function lockedNodejs(version: string): LockedNodejs {
  return { version, integrity: `sha512-${createHash("sha512").update(version).digest("base64")}` };
}

/** A board's section with a kernel, a project's package and a tool. */
export function boardLock(changes: Partial<BoardLock> = {}): BoardLock {
  return {
    suite: "trixie",
    architecture: "arm64",
    snapshot: null,
    releases: [
      { suite: "trixie", date: "2026-11-14T09:30:00.000Z" },
      { suite: "trixie-security", date: "2026-11-20T21:15:08.000Z" },
    ],
    base: setOf(lockedPackage("libc6"), lockedPackage("linux-image-rt-arm64")),
    project: setOf(lockedPackage("htop")),
    nodejs: null,
    kernel: null,
    tools: {
      amd64: setOf(lockedPackage("mtools", { architecture: "amd64" })),
      arm64: setOf(lockedPackage("mtools")),
    },
    ...changes,
  };
}

const debianName = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,12}$/);

const anyPackage: fc.Arbitrary<LockedPackage> = fc
  .record({
    name: debianName,
    version: fc.stringMatching(/^(?:[1-9]:)?[0-9][0-9A-Za-z.+~]{0,8}-[0-9]$/),
    architecture: fc.constantFrom("arm64", "all"),
    size: fc.integer({ min: 1, max: 2 ** 40 }),
    archive: fc.constantFrom("archive" as const, "security" as const),
  })
  .map(({ name, ...changes }) => lockedPackage(name, changes));

const anySet: fc.Arbitrary<PackageSet> = fc.record({
  wanted: fc.array(debianName, { maxLength: 3 }),
  packages: fc.uniqueArray(anyPackage, { maxLength: 4, selector: ({ name }) => name }),
});

/** Any section that a build can write. */
export const anyBoardLock: fc.Arbitrary<BoardLock> = fc.record({
  suite: fc.constantFrom("trixie", "forky"),
  architecture: fc.constantFrom("arm64" as const, "amd64" as const),
  snapshot: fc.constantFrom(null, "20261101T000000Z"),
  releases: fc.array(
    fc.record({
      suite: fc.constantFrom("trixie", "trixie-updates"),
      date: fc.date({ noInvalidDate: true, min: new Date(0), max: new Date(4e12) }).map((date) => date.toISOString()),
    }),
    { minLength: 1, maxLength: 3 },
  ),
  base: anySet,
  project: anySet,
  nodejs: fc.option(fc.constantFrom("22.23.3", "24.9.0", "24.22.0").map((version) => lockedNodejs(version))),
  kernel: fc.option(fc.record({ source: anySet, toolchain: fc.record({ amd64: anySet, arm64: anySet }) })),
  tools: fc.record({ amd64: anySet, arm64: anySet }),
});
