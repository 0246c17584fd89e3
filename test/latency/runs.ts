import type { Histogram } from "../../src/latency/histogram.ts";
import type { Expectation, LatencyRun, NodeRun, Second } from "../../src/latency/run.ts";

/** A histogram of so many samples at each time. */
export function times(...bins: [number, number][]): Histogram {
  return { bins, beyond: 0, max: bins.at(-1)?.[0] ?? 0 };
}

const COUNTS = {
  cycles: 60_000,
  overruns: 0,
  minorFaults: 0,
  majorFaults: 0,
  collections: 0,
  involuntarySwitches: 0,
  migrations: 0,
};

/** A node whose loop ran at 1 kHz for a minute. */
export function nodeRun(
  name: string,
  {
    wakeup = times([7, 59_000], [12, 999], [31, 1]),
    step = times([40, 60_000]),
    counts = {},
    expect = [],
    restarts = 0,
  }: {
    readonly wakeup?: Histogram;
    readonly step?: Histogram;
    readonly counts?: Partial<typeof COUNTS>;
    readonly expect?: Expectation[];
    readonly restarts?: number;
  } = {},
): NodeRun {
  return {
    name,
    state: "active",
    policy: "fifo",
    priority: 40,
    cpus: "3",
    lockedKiB: 80_000,
    restarts,
    expect,
    loop: { periodUs: 1000, counts: { ...COUNTS, ...counts }, wakeup, step },
  };
}

/** A second in which all was well. */
export function second(at: number, more: Partial<Second> = {}): Second {
  return {
    at,
    temperatureC: 52.5,
    underVoltage: false,
    frequencyCapped: false,
    loaded: true,
    cpus: [
      { cpu: 0, maxSoFar: 20 + at },
      { cpu: 1, maxSoFar: 18 },
    ],
    nodes: [{ name: "imu", wakeupMax: 12, stepMax: 44.5, overruns: 0, faults: 0, collections: 0 }],
    ...more,
  };
}

/** A minute of a Raspberry Pi with one node, of which nothing is expected. */
export function latencyRun(more: Partial<LatencyRun> = {}, board: Partial<LatencyRun["board"]> = {}): LatencyRun {
  return {
    format: "rtkit-latency",
    version: 1,
    project: "arm",
    host: "arm.local",
    startedAt: "2026-11-29T12:00:00.000Z",
    requestedSeconds: 60,
    seconds: 60.3,
    loads: ["cpu", "disk"],
    board: {
      model: "Raspberry Pi 4 Model B Rev 1.4",
      architecture: "aarch64",
      kernel: "6.12.57-rt",
      realtime: true,
      virtual: null,
      release: "a".repeat(64),
      ...board,
    },
    settings: {
      governor: "performance",
      commandLine: "root=/dev/mmcblk0p2 isolcpus=domain,managed_irq,3",
      swap: "off",
    },
    cyclictest: {
      command: "cyclictest -q -m -S",
      version: "2.80",
      intervalUs: 200,
      cpus: [
        { cpu: 0, min: 3, average: 5.1, times: times([3, 200_000], [6, 99_000], [25, 999], [44, 1]) },
        { cpu: 1, min: 2, average: 4.2, times: times([2, 250_000], [5, 49_990], [18, 10]) },
      ],
    },
    nodes: [nodeRun("imu")],
    timeline: [second(0), second(1), second(60.3)],
    blame: null,
    ...more,
  };
}
