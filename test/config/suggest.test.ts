import * as fc from "fast-check";
import { expect, it } from "vitest";
import { closest, suggestion } from "../../src/config/suggest.ts";

const keys = ["policy", "priority", "nice", "cpus", "runtime", "deadline", "period"];

it.each([
  ["polcy", "policy"],
  ["pirority", "priority"],
  ["Policy", "policy"],
  ["cpu", "cpus"],
  ["deadlines", "deadline"],
])("%s was meant to be %s", (word, meant) => {
  expect(closest(word, keys)).toBe(meant);
});

it("nothing is suggested for a word unlike all others", () => {
  expect(closest("colour", keys)).toBeUndefined();
  expect(suggestion("colour", keys, "keys")).toBe(`allowed keys: ${keys.join(", ")}`);
});

it("one typo in a longer word is always recognised", () => {
  const words = fc.constantFrom(...keys.filter((key) => key.length > 4));
  fc.assert(
    fc.property(words, fc.nat(), fc.constantFrom("_", "Q", ""), (word, seed, typo) => {
      const index = seed % word.length;
      const likely = closest(`${word.slice(0, index)}${typo}${word.slice(index + 1)}`, [word]);
      expect(likely).toBe(word);
    }),
  );
});
