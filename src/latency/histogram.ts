import * as z from "zod";

const count = z.int().min(0);
const microseconds = z.number().min(0);

/**
 * Times by how often they were seen. A bin is `[time, count]` with the time in microseconds: of cyclictest the time
 * itself, cut to whole microseconds; of a node's loop (src/device/histogram.h) the bin's upper limit. Ascending, without
 * empty bins.
 */
export const Histogram = z
  .strictObject({
    bins: z.array(z.tuple([microseconds, count.min(1)])),
    /** How many were longer than the last bin there is. */
    beyond: count,
    /** The longest, microseconds: exact, or the upper limit of its bin; 0 when there are none. */
    max: microseconds,
  })
  .refine(({ bins }) => bins.every(([time], index) => index === 0 || time > (bins[index - 1]?.[0] ?? 0)), {
    error: "bins must ascend",
  });
export type Histogram = z.infer<typeof Histogram>;

export const EMPTY: Histogram = { bins: [], beyond: 0, max: 0 };

/** How many times are in it. */
export function countOf({ bins, beyond }: Histogram): number {
  return bins.reduce((sum, [, some]) => sum + some, beyond);
}

/** A percentile: the time that one in `oneIn` exceeds. */
export interface Percentile {
  readonly name: string;
  readonly oneIn: number;
}

const P50: Percentile = { name: "p50", oneIn: 2 };
export const P99: Percentile = { name: "p99", oneIn: 100 };
export const P999: Percentile = { name: "p99.9", oneIn: 1000 };
const P9999: Percentile = { name: "p99.99", oneIn: 10_000 };

/** The percentiles of every table, in their order. */
export const PERCENTILES: readonly Percentile[] = [P50, P99, P999, P9999];

/** Samples that must lie beyond a percentile before it is said: fewer, and another run says something else. */
const BEYOND = 10;

/** How many samples it takes to say a percentile: 1,000 for p99, 100,000 for p99.99. */
export function samplesFor({ oneIn }: Percentile): number {
  return BEYOND * oneIn;
}

/** A percentile (nearest rank) in microseconds; null where there are too few samples to say it. */
export function percentile(histogram: Histogram, which: Percentile): number | null {
  const all = countOf(histogram);
  return all < samplesFor(which) ? null : timeAt(histogram, all - Math.floor(all / which.oneIn));
}

/** The time of the sample with this rank, the shortest has 1; no more than the longest. */
function timeAt({ bins, max }: Histogram, rank: number): number {
  let seen = 0;
  for (const [time, some] of bins) {
    seen += some;
    if (seen >= rank) return Math.min(time, max);
  }
  return max;
}

/** All of several histograms in one. */
export function merge(histograms: readonly Histogram[]): Histogram {
  const counts = new Map<number, number>();
  for (const { bins } of histograms) {
    for (const [time, some] of bins) counts.set(time, (counts.get(time) ?? 0) + some);
  }
  return {
    bins: [...counts].toSorted(([a], [b]) => a - b),
    beyond: histograms.reduce((sum, { beyond }) => sum + beyond, 0),
    max: Math.max(0, ...histograms.map(({ max }) => max)),
  };
}

/**
 * What came into a histogram that only grows, between two looks. Its longest time is exact when it is the longest of all,
 * else the upper limit of its bin.
 */
export function since(before: Histogram, after: Histogram): Histogram {
  const counts = new Map(before.bins);
  const bins = after.bins
    .map(([time, some]): [number, number] => [time, some - (counts.get(time) ?? 0)])
    .filter(([, some]) => some > 0);
  const beyond = Math.max(0, after.beyond - before.beyond);
  const last = Math.min(bins.at(-1)?.[0] ?? 0, after.max);
  return { bins, beyond, max: after.max > before.max || beyond > 0 ? after.max : last };
}
