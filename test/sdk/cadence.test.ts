import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { advance, DUE, NOW } from "../../src/sdk/typescript/cadence.ts";

/** Nanoseconds: a due time, a period, and how long after the due time the step ended. */
const cycle = fc.record({
  due: fc.integer({ min: 0, max: 2 ** 50 }),
  period: fc.integer({ min: 1_000, max: 1_000_000_000 }),
  taken: fc.integer({ min: 0, max: 20_000_000_000 }),
});

function after(
  { due, period, taken }: { due: number; period: number; taken: number },
  policy: "skip" | "catch-up" | "stop",
) {
  const times = new Float64Array(2);
  times[DUE] = due;
  times[NOW] = due + taken;
  const missed = advance(times, period, policy);
  return { missed, due: times[DUE] ?? 0 };
}

describe("the next due time", () => {
  test("under skip is the first of the rhythm that has not passed; the skipped ones are counted", () => {
    fc.assert(
      fc.property(cycle, (given) => {
        const { missed, due } = after(given, "skip");
        const now = given.due + given.taken;
        expect(due).toBeGreaterThan(now);
        expect(due - given.period).toBeLessThanOrEqual(Math.max(now, given.due));
        expect((due - given.due) / given.period).toBe(missed + 1);
      }),
    );
  });

  test.each(["catch-up", "stop"] as const)("under %s is one period on; a late step counts once", (policy) => {
    fc.assert(
      fc.property(cycle, (given) => {
        const { missed, due } = after(given, policy);
        expect(due).toBe(given.due + given.period);
        expect(missed).toBe(given.taken >= given.period ? 1 : 0);
      }),
    );
  });
});
