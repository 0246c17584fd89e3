import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { countBlocks, mergeSpans, shiftRanges, type BlockSpan } from "../../src/image/block-map.ts";

const spans = fc.array(
  fc
    .tuple(fc.nat(200), fc.integer({ min: 1, max: 9 }))
    .map(([first, length]): BlockSpan => ({ first, last: first + length - 1 })),
);

function blocksOf(list: readonly BlockSpan[]): Set<number> {
  return new Set(list.flatMap(({ first, last }) => Array.from({ length: last - first + 1 }, (_, i) => first + i)));
}

describe("mergeSpans", () => {
  it("keeps the blocks, in order, with gaps between the spans", () => {
    fc.assert(
      fc.property(spans, (list) => {
        const merged = mergeSpans(list);
        expect([...blocksOf(merged)].toSorted((a, b) => a - b)).toEqual([...blocksOf(list)].toSorted((a, b) => a - b));
        expect(countBlocks(merged)).toBe(blocksOf(list).size);
        for (const [index, span] of merged.slice(1).entries()) {
          expect(span.first).toBeGreaterThan((merged[index]?.last ?? 0) + 1);
        }
      }),
    );
  });

  it("bridges gaps up to the given number of blocks", () => {
    const list = [
      { first: 10, last: 11 },
      { first: 0, last: 4 },
      { first: 20, last: 20 },
    ];
    expect(mergeSpans(list, 5)).toEqual([
      { first: 0, last: 11 },
      { first: 20, last: 20 },
    ]);
  });
});

it("shiftRanges moves whole blocks only", () => {
  const range = { first: 0, last: 3, sha256: "00" };
  expect(shiftRanges([range], 8192)).toEqual([{ first: 2, last: 5, sha256: "00" }]);
  expect(() => shiftRanges([range], 100)).toThrow("not a multiple");
});
