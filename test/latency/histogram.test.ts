import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  countOf,
  EMPTY,
  Histogram,
  merge,
  PERCENTILES,
  percentile,
  samplesFor,
  since,
} from "../../src/latency/histogram.ts";

/** A histogram of times in whole microseconds. */
function histogramOf(samples: readonly number[]): Histogram {
  const counts = new Map<number, number>();
  for (const time of samples) counts.set(time, (counts.get(time) ?? 0) + 1);
  return { bins: [...counts].toSorted(([a], [b]) => a - b), beyond: 0, max: Math.max(0, ...samples) };
}

/** Times that often are the same, as those of a loop are. */
const samples = fc.array(fc.oneof(fc.integer({ min: 0, max: 60 }), fc.integer({ min: 0, max: 100_000 })), {
  maxLength: 300,
});

/** The percentiles of so many samples. */
function percentiles(count: number): (number | null)[] {
  const histogram = { bins: [[7, count] as [number, number]], beyond: 0, max: 7 };
  return PERCENTILES.map((which) => percentile(histogram, which));
}

describe("a percentile", () => {
  it("is the sample that sorting them all finds", () => {
    fc.assert(
      fc.property(samples, fc.integer({ min: 1, max: 400 }), (some, times) => {
        const all = Array.from({ length: times }, () => some).flat();
        const sorted = all.toSorted((a, b) => a - b);
        for (const which of PERCENTILES) {
          const rank = all.length - Math.floor(all.length / which.oneIn);
          const expected = all.length < samplesFor(which) ? null : sorted[rank - 1];
          expect(percentile(histogramOf(all), which)).toBe(expected);
        }
      }),
      { numRuns: 60 },
    );
  });

  it("is said only where ten samples lie beyond it: p99.99 from 100,000 samples on", () => {
    expect(percentiles(0)).toEqual([null, null, null, null]);
    expect(percentiles(19)).toEqual([null, null, null, null]);
    expect(percentiles(20)).toEqual([7, null, null, null]);
    expect(percentiles(999)).toEqual([7, null, null, null]);
    expect(percentiles(1000)).toEqual([7, 7, null, null]);
    expect(percentiles(10_000)).toEqual([7, 7, 7, null]);
    expect(percentiles(99_999)).toEqual([7, 7, 7, null]);
    expect(percentiles(100_000)).toEqual([7, 7, 7, 7]);
  });

  it("never exceeds the longest, and is the longest where it lies beyond the last bin", () => {
    const [p50, p99] = PERCENTILES;
    const histogram: Histogram = { bins: [[1056, 1000]], beyond: 0, max: 1030.5 };
    expect(p50 && percentile(histogram, p50)).toBe(1030.5);
    expect(p99 && percentile({ bins: [[5, 900]], beyond: 100, max: 80_000 }, p99)).toBe(80_000);
  });
});

describe("several histograms", () => {
  it("make one that is the same as that of all their samples, in any order", () => {
    fc.assert(
      fc.property(fc.array(samples, { maxLength: 5 }), (lists) => {
        const parts = lists.map(histogramOf);
        expect(merge(parts)).toEqual(histogramOf(lists.flat()));
        expect(merge(parts.toReversed())).toEqual(merge(parts));
        expect(Histogram.parse(merge(parts))).toEqual(merge(parts));
      }),
    );
  });
});

describe("what came since an earlier look", () => {
  it("is the histogram of what came; its longest is exact, or its bin's limit", () => {
    fc.assert(
      fc.property(samples, samples, (before, after) => {
        const both = since(histogramOf(before), histogramOf([...before, ...after]));
        expect(both).toEqual(histogramOf(after));
        expect(countOf(both)).toBe(after.length);
      }),
    );
  });

  it("counts what lies beyond the last bin, and is empty when nothing came", () => {
    const before: Histogram = { bins: [[4, 10]], beyond: 1, max: 90_000 };
    expect(since(before, before)).toEqual(EMPTY);
    expect(since(before, { ...before, beyond: 3 })).toEqual({ bins: [], beyond: 2, max: 90_000 });
  });
});

it.each([
  [
    "bins that do not ascend",
    {
      bins: [
        [4, 1],
        [4, 1],
      ],
      beyond: 0,
      max: 4,
    },
  ],
  ["an empty bin", { bins: [[4, 0]], beyond: 0, max: 4 }],
  ["a negative count", { bins: [], beyond: -1, max: 4 }],
])("a histogram with %s is refused", (_, histogram) => {
  expect(Histogram.safeParse(histogram).success).toBe(false);
});
