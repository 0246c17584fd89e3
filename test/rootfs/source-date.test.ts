import { expect, it } from "vitest";
import type { BoardLock } from "../../src/rootfs/lock.ts";
import { sourceDateEpoch } from "../../src/rootfs/source-date.ts";

const NONE = { wanted: [], packages: [] };
const lock: BoardLock = {
  suite: "trixie",
  architecture: "arm64",
  snapshot: null,
  releases: [
    { suite: "trixie", date: "2026-11-21T09:15:44.000Z" },
    { suite: "trixie-security", date: "2026-11-23T11:22:38.000Z" },
  ],
  base: NONE,
  project: NONE,
  tools: { amd64: NONE, arm64: NONE },
};

it("files are as old as the newest state of the archive that the lock names", () => {
  expect(sourceDateEpoch(lock, {})).toBe(Date.UTC(2026, 10, 23, 11, 22, 38) / 1000);
  expect(sourceDateEpoch(lock, { SOURCE_DATE_EPOCH: "" })).toBe(sourceDateEpoch(lock, {}));
});

it("SOURCE_DATE_EPOCH overrides that, and must be a number of seconds", () => {
  expect(sourceDateEpoch(lock, { SOURCE_DATE_EPOCH: "1700000000" })).toBe(1_700_000_000);
  for (const wrong of ["yesterday", "-1", "1.5", "999999999999"]) {
    expect(() => sourceDateEpoch(lock, { SOURCE_DATE_EPOCH: wrong })).toThrow(
      expect.objectContaining({ code: "RTK_SOURCE_DATE", exitStatus: 2 }),
    );
  }
});
