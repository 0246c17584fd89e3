import { countOf, type Histogram } from "./histogram.ts";

const BLOCKS = ["▁", "▂", "▃", "▄", "▅", "▆", "▇", "█"];

/** Values as a line of blocks, their heights by logarithm; a blank for what is not there or 0. */
export function sparkline(values: readonly (number | null)[]): string {
  const known = values.filter((value) => value !== null && value > 0) as number[];
  const [low, high] = [Math.log(Math.min(...known)), Math.log(Math.max(...known))];
  return values
    .map((value) => {
      if (value === null || value <= 0) return " ";
      const share = high === low ? 1 : (Math.log(value) - low) / (high - low);
      return BLOCKS[Math.round(share * (BLOCKS.length - 1))] ?? "";
    })
    .join("");
}

/** Some twenty values out of many: the greatest of each stretch. */
export function thin(values: readonly (number | null)[], most: number): (number | null)[] {
  const size = Math.max(1, Math.ceil(values.length / most));
  return Array.from({ length: Math.ceil(values.length / size) }, (_, index) => {
    const part = values.slice(index * size, (index + 1) * size).filter((value) => value !== null);
    return part.length === 0 ? null : Math.max(...part);
  });
}

/** A histogram as a sparkline: a block for each of `width` stretches of time between two times, equal by factor. */
export function sparkHistogram(times: Histogram, [low, high]: readonly [number, number], width: number): string {
  const counts = Array.from({ length: width }, () => 0);
  const add = (time: number, count: number): void => {
    const share = Math.log(Math.max(time, low) / low) / Math.log(high / low);
    const place = Math.min(width - 1, Math.floor(share * width));
    counts[place] = (counts[place] ?? 0) + count;
  };
  for (const [time, count] of times.bins) add(time, count);
  if (times.beyond > 0) add(times.max, times.beyond);
  return countOf(times) === 0 ? "" : sparkline(counts);
}
