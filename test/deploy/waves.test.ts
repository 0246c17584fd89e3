import { array, assert, integer, nat, property, record } from "fast-check";
import { describe, expect, it } from "vitest";
import { planWaves, whyStop } from "../../src/deploy/waves.ts";

const boards = array(nat());
const limits = record({ canary: nat(20), concurrency: integer({ min: 1, max: 20 }) });

describe("waves", () => {
  it("have every board once, in its order, and none is empty", () => {
    assert(
      property(boards, limits, (all, limit) => {
        const waves = planWaves(all, limit);
        expect(waves.flat()).toEqual(all);
        expect(waves.every((wave) => wave.length > 0)).toBe(true);
      }),
    );
  });

  it("begin with the canary, and hold no more boards than may be worked on at once", () => {
    assert(
      property(boards, limits, (all, limit) => {
        const waves = planWaves(all, limit);
        if (limit.canary > 0) expect(waves[0] ?? []).toEqual(all.slice(0, limit.canary));
        const rest = limit.canary > 0 ? waves.slice(1) : waves;
        expect(rest.every((wave) => wave.length <= limit.concurrency)).toBe(true);
        // Only the last is not full.
        expect(rest.slice(0, -1).every((wave) => wave.length === limit.concurrency)).toBe(true);
      }),
    );
  });
});

it("after a failure in the canary no other board is begun", () => {
  expect(whyStop(2, 0, { canary: 2, maxFailures: 5 })).toBeUndefined();
  expect(whyStop(2, 1, { canary: 2, maxFailures: 5 })).toBe("1 of the first 2 boards failed");
});

it("with no more failures than allowed the next board is begun, with one more it is not", () => {
  expect(whyStop(30, 5, { canary: 2, maxFailures: 5 })).toBeUndefined();
  expect(whyStop(30, 6, { canary: 2, maxFailures: 5 })).toBe("6 boards failed, and --max-failures is 5");
  expect(whyStop(1, 1, { canary: 0, maxFailures: 0 })).toBeDefined();
});
