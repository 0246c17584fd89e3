import { expect, it } from "vitest";
import { sparkHistogram, sparkline, thin } from "../../src/latency/sparkline.ts";
import { describeRun } from "../../src/latency/terminal.ts";
import { judge } from "../../src/latency/verdict.ts";
import { formatCount, formatTime } from "../../src/latency/words.ts";
import { table } from "../../src/ui/table.ts";
import { latencyRun, nodeRun, times } from "./runs.ts";

it("a run is a row for each CPU and loop, and the verdict", () => {
  const run = latencyRun({ nodes: [nodeRun("imu", { expect: [{ limit: "overruns", allowed: 0 }] })] });
  const text = describeRun(run, judge(run), undefined, table);
  expect(text.split("\n").slice(0, 2)).toEqual([
    "arm.local  60 s under load (cpu, disk) · 2026-11-29 12:00 UTC",
    "Raspberry Pi 4 Model B Rev 1.4 · Linux 6.12.57-rt, real-time",
  ]);
  expect(text).toMatch(/^CPU 0 +300,000 +3 µs +6 µs +25 µs +25 µs +44 µs +\S/m);
  expect(text).toMatch(/^imu step +60,000 +40 µs +40 µs +40 µs +- +40 µs +█/m);
  expect(text).toContain("✓ All limits are met\n  ✓ imu: overruns: 0 of 0 allowed in 60,000 steps");
});

it("a sparkline goes from the least to the greatest, by factors, with blanks for nothing", () => {
  expect(sparkline([1, 10, 100, null, 0, 1e7])).toBe("▁▂▃  █");
  expect(sparkline([5, 5])).toBe("██");
  expect(sparkline([])).toBe("");
});

it("many values become few, the greatest of each stretch", () => {
  expect(thin([1, 9, 2, 3, null, null], 3)).toEqual([9, 3, null]);
  expect(thin([1, 2], 24)).toEqual([1, 2]);
});

it("a histogram's blocks are equal factors of time", () => {
  expect(sparkHistogram(times([1, 1], [10, 1000], [99, 1]), [1, 100], 4)).toBe("▁ █▁");
  expect(sparkHistogram(times(), [1, 100], 4)).toBe("");
});

it.each([
  [0, "0 µs"],
  [7.25, "7.3 µs"],
  [31.94, "31.9 µs"],
  [999.6, "1000 µs"],
  [1024, "1.02 ms"],
  [15_015, "15 ms"],
  [250_000, "250 ms"],
  [2_150_000, "2.15 s"],
])("%d µs are said as %s", (us, words) => expect(formatTime(us)).toBe(words));

it("counts have their thousands apart", () => {
  expect([0, 999, 1000, 1_234_567].map(formatCount)).toEqual(["0", "999", "1,000", "1,234,567"]);
});
