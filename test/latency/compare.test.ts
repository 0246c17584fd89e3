import { expect, it } from "vitest";
import { compareRuns } from "../../src/latency/compare.ts";
import type { LatencyRun } from "../../src/latency/run.ts";
import { latencyRun, nodeRun, times } from "./runs.ts";

/** A run whose node was always this late, microseconds. */
const always = (time: number): LatencyRun => latencyRun({ nodes: [nodeRun("imu", { wakeup: times([time, 60_000]) })] });

it("a run is the same as itself", () => {
  const { figures, settings, headline, caveats } = compareRuns(latencyRun(), latencyRun());
  expect(new Set(figures.map(({ change }) => change))).toEqual(new Set(["same"]));
  expect({ settings, headline, caveats }).toEqual({
    settings: [],
    headline: "No figure changed clearly; no setting differs.",
    caveats: [],
  });
});

it("says what became worse and better, and which settings differ", () => {
  const before = latencyRun();
  const after = latencyRun(
    {
      nodes: [nodeRun("imu", { wakeup: times([4, 59_000], [60, 1000]) })],
      settings: { ...before.settings, governor: "schedutil" },
    },
    { kernel: "6.12.60-rt" },
  );
  const { figures, settings, headline } = compareRuns(before, after);
  const changed = figures.filter(({ change }) => change !== "same");
  expect(changed).toEqual([
    { subject: "imu", figure: "wake-up p50", before: 7, after: 4, change: "better" },
    { subject: "imu", figure: "wake-up p99", before: 12, after: 60, change: "worse" },
    { subject: "imu", figure: "wake-up p99.9", before: 12, after: 60, change: "worse" },
    { subject: "imu", figure: "longest wake-up", before: 31, after: 60, change: "worse" },
  ]);
  expect(settings).toEqual([
    { name: "kernel", before: "6.12.57-rt (real-time)", after: "6.12.60-rt (real-time)" },
    { name: "governor", before: "performance", after: "schedutil" },
  ]);
  expect(headline).toBe(
    "3 figures are worse (the most: imu wake-up p99, from 12 µs to 60 µs); 1 figure is better (the most: imu wake-up p50, from 7 µs to 4 µs); 2 settings differ.",
  );
});

it.each([
  [7, 9.5, "worse"],
  [7, 8.9, "same"],
  [100, 109, "same"],
  [100, 111, "worse"],
  [111, 100, "better"],
])("a p50 of %d µs and then of %d µs is %s: a tenth, and more than a bin", (was, is, change) => {
  const { figures } = compareRuns(always(was), always(is));
  expect(figures.find(({ subject, figure }) => subject === "imu" && figure === "wake-up p50")?.change).toBe(change);
});

it("does not compare what one of the two has too few samples to say, nor nodes that one has not", () => {
  const short = latencyRun({ nodes: [nodeRun("imu", { wakeup: times([7, 500]) }), nodeRun("new")] });
  const { figures } = compareRuns(latencyRun(), short);
  expect(figures.find(({ subject, figure }) => subject === "imu" && figure === "wake-up p99")).toMatchObject({
    before: 12,
    after: null,
    change: "unknown",
  });
  expect(figures.some(({ subject }) => subject === "new")).toBe(false);
});

it("says what makes two runs unlike", () => {
  const other = latencyRun({ host: "bench.local", loads: [], requestedSeconds: 600 });
  other.cyclictest.intervalUs = 1000;
  expect(compareRuns(other, latencyRun()).caveats).toEqual([
    "The earlier run is of another board, bench.local.",
    "The earlier run was idle, this one under load (cpu, disk).",
    "cyclictest woke every 1000 µs then, and every 200 µs now.",
    "The earlier run took 600 s, this one 60 s: the longest times of a longer run are longer.",
  ]);
});
