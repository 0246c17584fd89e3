import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  FIRST_BOOT_BYTES,
  FIRST_BOOT_KEYS,
  firstBootFile,
  readFirstBootFile,
  withFirstBootSettings,
} from "../../src/config/first-boot.ts";

const template = { hostname: "arm", takes: ["hostname", "ssh_key", "dns"] } as const;
const isSetting = (line: string): boolean => line.trim() !== "" && !line.startsWith("#");

describe("the file of the first boot's settings", () => {
  it("has its size, no setting, and says which image it belongs to and what that takes", () => {
    const file = firstBootFile(template);
    expect(Buffer.byteLength(file)).toBe(FIRST_BOOT_BYTES);
    expect(file.split("\n").filter(isSetting)).toEqual([]);
    expect(file.endsWith("\n")).toBe(true);
    expect(readFirstBootFile(file)).toEqual(template);
  });

  it("is short enough for every key's example, with much room left for settings", () => {
    const file = firstBootFile({ hostname: "a".repeat(63), takes: FIRST_BOOT_KEYS });
    expect(file.trimEnd().length).toBeLessThan(FIRST_BOOT_BYTES / 8);
  });

  it("is of rtkit only with both its lines", () => {
    expect(readFirstBootFile("")).toBeUndefined();
    expect(readFirstBootFile("# takes: hostname\n")).toBeUndefined();
  });

  it("keeps its size and comments with any settings, and loses those it had", () => {
    const text = fc.string({ unit: "grapheme", maxLength: 300 }).filter((value) => !/[\r\n]/.test(value));
    const settings = fc.array(fc.tuple(fc.constantFrom(...template.takes), text), { maxLength: 8 });
    fc.assert(
      fc.property(settings, settings, (before, after) => {
        const file = firstBootFile(template);
        const once = withFirstBootSettings(file, before);
        const twice = once === undefined ? undefined : withFirstBootSettings(once, after);
        if (twice === undefined) throw new Error("does not fit");
        expect(Buffer.byteLength(twice)).toBe(FIRST_BOOT_BYTES);
        expect(readFirstBootFile(twice)).toEqual(template);
        expect(twice.split("\n").filter(isSetting)).toEqual(after.map(([key, value]) => `${key}=${value}`));
      }),
    );
  });

  it("fits its size to the last byte, and not one more", () => {
    const file = firstBootFile(template);
    const room = FIRST_BOOT_BYTES - Buffer.byteLength(`${file.trimEnd()}\ndns=\n`);
    const full = withFirstBootSettings(file, [["dns", "x".repeat(room)]]);
    expect(Buffer.byteLength(full ?? "")).toBe(FIRST_BOOT_BYTES);
    expect(withFirstBootSettings(file, [["dns", "x".repeat(room + 1)]])).toBeUndefined();
  });
});
