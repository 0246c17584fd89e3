import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  describeRecord,
  formatRecord,
  formatTime,
  parseRecord,
  recordStream,
  recordText,
} from "../../src/deploy/record.ts";
import { anyRecord } from "./records.ts";

const ID = "a".repeat(64);
it("is a line for each fact, in one order", () => {
  const git = "0123456789abcdef0123456789abcdef01234567";
  const facts = { git, description: "v1.2-dirty", dirty: true, user: "ada", host: "bench" };
  expect(formatRecord({ release: ID, time: 1_790_000_000, ...facts })).toBe(
    `release ${ID}\ntime 1790000000\ngit ${git}\ndescription v1.2-dirty\ndirty yes\nuser ada\nhost bench\n`,
  );
  expect(formatRecord({ release: ID, time: 1 })).toBe(`release ${ID}\ntime 1\n`);
});

it("is read as it was written, and fits into what a board takes", () => {
  fc.assert(
    fc.property(anyRecord, (record) => {
      const text = formatRecord(record);
      expect(parseRecord(text)).toEqual(record);
      expect(text).toMatch(/^(?:[a-z]+ [!-~](?:[ -~]{0,254}[!-~])?\n)+$/);
      expect(Buffer.byteLength(text)).toBeLessThanOrEqual(4096);
    }),
  );
});

it.each([
  ["", "nothing"],
  [`release ${ID}\n`, "no time"],
  [`release ${ID}\ntime 1e3\n`, "a time that is none"],
  [`release ${ID}\ntime 1\ngit HEAD\n`, "a commit that is none"],
  [`release ${ID}\ntime 1\ndirty perhaps\n`, "a dirty that is neither"],
  [`release ${ID}\ntime 1\nuser \u001B[2J\n`, "an escape"],
])("%j is no record: %s", (text) => {
  expect(() => parseRecord(text)).toThrow();
});

it("text from elsewhere becomes one printable line, or nothing", () => {
  expect(recordText(" café\nhost evil\u001B[2J ")).toBe("caf??host evil?[2J");
  expect(recordText("🤖")).toBe("?");
  expect(recordText(" \n ")).toBe("?");
  expect(recordText("  ")).toBeUndefined();
  expect(recordText(`${"x".repeat(255)} y`)).toBe("x".repeat(255));
});

it("goes to the board with its size before it, and its signature if there is one", () => {
  const record = { release: ID, time: 1 };
  const text = formatRecord(record);
  expect(recordStream({ record, signature: null }).toString()).toBe(`RECORD ${text.length}\n${text}END\n`);
  expect(recordStream({ record, signature: "sig\n" }).toString()).toBe(
    `RECORD ${text.length}\n${text}SIGNATURE 4\nsig\nEND\n`,
  );
});

it("is one line for people", () => {
  const record = { release: ID, time: 1_790_000_000, user: "ada", host: "bench" };
  expect(describeRecord(record)).toBe("deployed by ada from bench at 2026-09-21 14:13:20 UTC");
  expect(describeRecord({ ...record, description: "v1.2", dirty: false })).toMatch(/^deployed v1\.2 by ada/);
  expect(describeRecord({ ...record, description: "v1.2-dirty", dirty: true })).toMatch(
    /^deployed v1\.2-dirty \(with uncommitted changes\) by ada/,
  );
  expect(formatTime(0)).toBe("1970-01-01 00:00:00 UTC");
});
