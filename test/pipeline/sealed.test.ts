import * as fc from "fast-check";
import { expect, it } from "vitest";
import { parseSealed, printSealed } from "../../src/pipeline/sealed.ts";

it("is read as it was written", () => {
  fc.assert(
    fc.property(fc.jsonValue(), (value) => {
      const text = printSealed(value);
      expect(printSealed(parseSealed(text))).toBe(text);
    }),
  );
});

it("is nothing once any bit flipped or it was cut off", () => {
  const change = fc.record({ value: fc.jsonValue(), at: fc.nat(), bit: fc.nat(7), cut: fc.boolean() });
  fc.assert(
    fc.property(change, ({ value, at, bit, cut }) => {
      const bytes = Buffer.from(printSealed(value));
      const place = at % bytes.length;
      bytes[place] = (bytes[place] ?? 0) ^ (1 << bit);
      const text = (cut ? bytes.subarray(0, place) : bytes).toString("utf8");
      expect(parseSealed(text)).toBeUndefined();
    }),
  );
});
