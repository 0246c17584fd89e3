import { expect, test } from "vitest";
import { releaseTime } from "../../src/rootfs/lock.ts";
import { sourceDateEpoch } from "../../src/rootfs/source-date.ts";
import { boardLock } from "./locks.ts";

test("files are as old as the archive's state in the lock", () => {
  expect(sourceDateEpoch(boardLock(), {})).toBe(releaseTime(boardLock()));
  expect(sourceDateEpoch(boardLock(), { SOURCE_DATE_EPOCH: "" })).toBe(releaseTime(boardLock()));
});

test("SOURCE_DATE_EPOCH goes before it", () => {
  expect(sourceDateEpoch(boardLock(), { SOURCE_DATE_EPOCH: "1700000000" })).toBe(1_700_000_000);
  expect(sourceDateEpoch(boardLock(), { SOURCE_DATE_EPOCH: "0" })).toBe(0);
});

test.each(["yesterday", "-1", "1.5", "1e9", " 1", "0x10", "999999999999"])(
  "it must be a number of seconds: %j",
  (given) => {
    expect(() => sourceDateEpoch(boardLock(), { SOURCE_DATE_EPOCH: given })).toThrow(
      expect.objectContaining({
        code: "RTK_SOURCE_DATE",
        exitStatus: 2,
        message: `SOURCE_DATE_EPOCH is not a number of seconds: ${given}`,
        hint: "unset it: the date of the archive's state in rtkit.lock is taken then",
      }),
    );
  },
);
