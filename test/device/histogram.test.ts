import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { compile, librarySource } from "./compile.ts";
import { drive } from "./driver.ts";
import type { Driven } from "./driver.ts";

/** What programs/histogram.c says; times beyond 2^53 are kept as text. */
interface Histogram {
  readonly count: number;
  readonly sum: string;
  readonly max: string;
  readonly bins: readonly (readonly [number, number])[];
  readonly quantiles: readonly number[];
}

const SHARES = [0, 0.5, 0.99, 0.999, 1];
let program: Driven;
/** Microseconds; a value belongs to the first bin whose limit it does not exceed. */
let limits: number[] = [];

beforeAll(async () => {
  const sanitizers = ["-fsanitize=address,undefined", "-fno-sanitize-recover=all"];
  program = drive([await compile(["histogram.c", librarySource("histogram.c")], sanitizers)]);
  limits = (await program.tell("limits")).split(" ").map(Number);
});

afterAll(() => program.end());

async function histogramOf(values: readonly number[]): Promise<Histogram> {
  return JSON.parse(await program.tell(values.join(" "))) as Histogram;
}

const HOUR = 3_600_000_000_000;
/** Nanoseconds of every magnitude. */
const time = fc.oneof(
  fc.nat(2_000_000),
  fc.nat(HOUR),
  fc.nat(53).map((bits) => 2 ** bits),
  fc.integer({ min: 1, max: 2048 }).chain((us) => fc.integer({ min: -1, max: 1 }).map((ns) => us * 1000 + ns)),
);

describe("a histogram", () => {
  test("has bins of a microsecond up to 1024, and then of at most 3.2 % up to two hours", () => {
    expect(limits.slice(0, 1024)).toEqual(Array.from({ length: 1024 }, (_, index) => index + 1));
    for (let bin = 1024; bin < limits.length; bin++) {
      const [below = 0, limit = 0] = limits.slice(bin - 1, bin + 1);
      expect(limit).toBeGreaterThan(below);
      expect(limit / below).toBeLessThanOrEqual(1.032);
    }
    expect(limits.at(-1)).toBeGreaterThan((2 * HOUR) / 1000);
  });

  test("puts every time above the limit of the bin before, up to the limit of its own", async () => {
    await fc.assert(
      fc.asyncProperty(time, async (ns) => {
        const [[bin = -1, count] = []] = (await histogramOf([ns])).bins;
        expect(count).toBe(1);
        if (bin < limits.length - 1) expect(ns).toBeLessThanOrEqual((limits[bin] ?? 0) * 1000);
        if (bin > 0) expect(ns).toBeGreaterThan((limits[bin - 1] ?? 0) * 1000);
      }),
      { numRuns: 1000 },
    );
  });

  test("counts all, and knows the sum and the greatest exactly", async () => {
    await fc.assert(
      fc.asyncProperty(fc.array(time, { maxLength: 200 }), async (values) => {
        const { count, sum, max, bins } = await histogramOf(values);
        expect(count).toBe(values.length);
        expect(bins.reduce((all, [, some]) => all + some, 0)).toBe(values.length);
        expect(BigInt(sum)).toBe(values.reduce((all, value) => all + BigInt(value), 0n));
        expect(Number(max)).toBe(Math.max(0, ...values));
      }),
    );
  });

  test("never says less than the true quantile, nor more than a microsecond or 3.2 % more", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.array(fc.oneof(fc.nat(3_000_000), fc.nat(HOUR)), { minLength: 1, maxLength: 2000 }),
        async (values) => {
          const { quantiles } = await histogramOf(values);
          const sorted = values.toSorted((a, b) => a - b);
          for (const [index, share] of SHARES.entries()) {
            const exact = (sorted[Math.max(Math.ceil(share * values.length), 1) - 1] ?? 0) / 1000;
            expect(quantiles[index]).toBeGreaterThanOrEqual(exact);
            expect(quantiles[index]).toBeLessThanOrEqual(Math.max(exact + 1, exact * 1.032));
          }
        },
      ),
      { numRuns: 300 },
    );
  });

  test("of times beyond its last bin says the greatest", async () => {
    const beyond = [3 * HOUR, 4 * HOUR];
    expect((await histogramOf(beyond)).quantiles).toEqual(SHARES.map(() => (4 * HOUR) / 1000));
    expect((await histogramOf([2 ** 63])).quantiles[1]).toBeCloseTo(2 ** 63 / 1000, -3);
  });

  test("of nothing says 0", async () => {
    expect(await histogramOf([])).toEqual({ count: 0, sum: "0", max: "0", bins: [], quantiles: SHARES.map(() => 0) });
  });
});
