import * as fc from "fast-check";
import { expect, it } from "vitest";
import { canonicalJson, digestOf, type Json } from "../../src/pipeline/digest.ts";

it("does not depend on the order of keys, and says everything JSON says", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      expect(digestOf(turned as Json)).toBe(digestOf(value as Json));
      expect(JSON.parse(canonicalJson(value as Json))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});
