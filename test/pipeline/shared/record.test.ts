import { expect, it } from "vitest";
import { parseRecord, printRecord } from "../../../src/pipeline/shared/record.ts";

const key = "a".repeat(64);
const record = { digest: "b".repeat(64), archive: { sha256: "c".repeat(64), size: 10, unpacked: 20 } };

it("is read as it was written, signed or not", () => {
  expect(parseRecord(printRecord(key, record, undefined), key, undefined)).toEqual(record);
  expect(parseRecord(printRecord(key, record, "secret"), key, "secret")).toEqual(record);
  // Who has no secret reads what those who have one wrote.
  expect(parseRecord(printRecord(key, record, "secret"), key, undefined)).toEqual(record);
});

it("with a secret, takes nothing that was not signed with it", () => {
  const signed = printRecord(key, record, "secret");
  const changed = signed.replace("c".repeat(64), "d".repeat(64));
  const other = "e".repeat(64);
  for (const text of [printRecord(key, record, undefined), printRecord(key, record, "other"), changed]) {
    expect(parseRecord(text, key, "secret")).toMatch(/not signed/);
  }
  expect(parseRecord(signed.replace(key, other), other, "secret")).toMatch(/not signed/);
});

it("says what is wrong with anything else", () => {
  const text = printRecord(key, record, undefined);
  for (const odd of ["", "null", "7", "<!doctype html>", "[]", "{}", '{"format":2}', text.slice(0, -5)]) {
    expect(parseRecord(odd, key, undefined)).toBe("answered with something that is no record of rtkit's");
  }
  expect(parseRecord(text, "f".repeat(64), undefined)).toBe("answered with the record of another step");
  for (const damaged of [text.replace("bbbb", "BBB/"), text.replace("10", "-1"), text.replace("10", '"10"')]) {
    expect(parseRecord(damaged, key, undefined)).toBe("has a damaged record");
  }
});
