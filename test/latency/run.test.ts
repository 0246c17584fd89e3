import * as fc from "fast-check";
import { expect, it } from "vitest";
import { formatRun, parseRun } from "../../src/latency/run.ts";
import { latencyRun, nodeRun, second, times } from "./runs.ts";

const histogram = fc
  .uniqueArray(fc.tuple(fc.integer({ min: 0, max: 1e9 }), fc.integer({ min: 1, max: 1e9 })), {
    selector: ([time]) => time,
  })
  .map((bins) => times(...bins.toSorted(([a], [b]) => a - b)));

it("is read back from its file as it was", () => {
  fc.assert(
    fc.property(
      histogram,
      histogram,
      fc.string(),
      fc.option(fc.double({ noNaN: true, min: -50, max: 150 })),
      (a, b, text, temperatureC) => {
        const run = latencyRun({
          host: text,
          nodes: [
            nodeRun("imu", { wakeup: a, step: b, expect: [{ limit: "step_max", allowed: 12.5 }] }),
            { ...nodeRun("x"), loop: null },
          ],
          timeline: [second(0.25, { temperatureC: temperatureC === 0 ? 0 : temperatureC })],
        });
        expect(parseRun(formatRun(run), "run.json")).toEqual(run);
      },
    ),
  );
});

it.each([
  ["no JSON", "{"],
  ["something else", '{"format":"lighthouse"}'],
  ["a run of another version", JSON.stringify({ ...latencyRun(), version: 2 })],
  ["a run that was damaged", formatRun(latencyRun()).replace('"bins":[[3,', '"bins":[[3000,')],
])("a file that is %s is refused", (_, text) => {
  expect(() => parseRun(text, "old/run.json")).toThrow(
    expect.objectContaining({
      code: "RTK_LATENCY_COMPARE",
      exitStatus: 2,
      message: expect.stringContaining("old/run.json is no run"),
    }),
  );
});
