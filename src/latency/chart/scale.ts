/** From a value to a place on an axis. */
export type Scale = (value: number) => number;

/** An axis whose equal steps are equal factors. */
export function logScale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const span = Math.log(high / low);
  return (value) => from + (Math.log(Math.max(value, low) / low) / span) * (to - from);
}

export function linearScale([low, high]: readonly [number, number], [from, to]: readonly [number, number]): Scale {
  const span = high - low || 1;
  return (value) => from + ((value - low) / span) * (to - from);
}

const STEPS = [1, 2, 5] as const;

/** All of 1, 2, 5, 10, 20, … between two limits. */
export function roundValues(low: number, high: number): number[] {
  const values: number[] = [];
  for (let power = Math.floor(Math.log10(low)); 10 ** power <= high; power += 1) {
    for (const step of STEPS) {
      // 10 ** -3 and the like are not what they are written as.
      const value = Number(`${step}e${power}`);
      if (value >= low && value <= high) values.push(value);
    }
  }
  return values;
}

/** The nearest of 1, 2, 5, 10, … that is no more. */
function roundDown(value: number): number {
  return roundValues(value / 10, value).at(-1) ?? value;
}

/** The nearest of 1, 2, 5, 10, … that is no less. */
export function roundUp(value: number): number {
  return roundValues(value, value * 10)[0] ?? value;
}

/** A round range of times, microseconds, that holds all of these with some room; at least a decade. */
export function timeRange(times: readonly number[]): readonly [number, number] {
  const longest = Math.max(1, ...times);
  const low = roundDown(Math.max(1, Math.min(longest, ...times.filter((time) => time > 0))));
  const high = roundUp(longest * 1.1);
  return [Math.min(low, high / 10), high];
}

/** Some five round values from 0 to `high`, for a linear axis. */
export function linearTicks(high: number, most: number): number[] {
  const step = roundUp(Math.max(high, 1e-9) / most);
  return Array.from({ length: Math.floor(high / step + 1e-9) + 1 }, (_, index) =>
    Number((index * step).toPrecision(6)),
  );
}
