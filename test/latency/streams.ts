/** A board's status as a line of its measurement. */
export function statusLine(
  word: "begin" | "end",
  { name = "imu", pid = 7, restarts = 0 }: { name?: string; pid?: number; restarts?: number } = {},
): string {
  const node = {
    name,
    state: "active",
    restarts,
    reason: null,
    pid,
    policy: "fifo",
    priority: 40,
    cpus: "3",
    lockedKiB: 9,
  };
  const status = {
    release: "a".repeat(64),
    kernel: { version: "6.12.57-rt", realtime: true },
    architecture: "aarch64",
    board: "Raspberry Pi 4",
    nodes: [{ ...node, stats: null, threads: [] }],
  };
  return `${word} ${JSON.stringify(status)}`;
}

/** What the launcher says of a node's process: its loop has counted since it began. */
export function processLine({
  pid = 7,
  cycles = 0,
  overruns = 0,
  bins = [] as readonly (readonly [number, number])[],
  max = 0,
}): string {
  const times = bins.length === 0 ? null : { p50: 4, p99: 9, p999: 9, max, bins };
  const none = { minorFaults: 3, majorFaults: 0, involuntarySwitches: 0, migrations: 0, collections: 0 };
  const stats = {
    uniqueId: "x",
    state: "running",
    periodUs: 1000,
    cycles,
    overruns,
    ...none,
    garbage: 0,
    lostLogLines: 0,
  };
  return JSON.stringify({
    name: "python3",
    pid,
    stats: { ...stats, wakeupUs: times, executionUs: times },
    threads: [],
  });
}

/** The file that cyclictest writes, for two CPUs with a thousand samples each and more beyond the last bin. */
export function cyclictestFile({ beyond = 0 }): string {
  const thread = (cpu: number): object => ({
    histogram: { "2": 500, "4": 499, "21": 1 },
    cycles: 1000 + beyond,
    min: 2,
    max: beyond === 0 ? 21 : 30_000,
    avg: 3.02,
    cpu,
    node: -1,
  });
  const about = { file_version: 1, "cmdline:": "cyclictest -q", "rt_test_version:": "2.80", return_code: 0 };
  return `${JSON.stringify({ ...about, num_threads: 2, thread: { "0": thread(0), "1": thread(1) } })}\n`;
}

/** About a second. */
export function secondLine(uptime: string, more: object = {}): string {
  const facts = {
    temperatureC: 51.2,
    throttling: { underVoltage: false, frequencyCapped: false },
    loaded: true,
    ...more,
  };
  return `second ${uptime} ${JSON.stringify(facts)}`;
}

/** Two seconds of a board with one node that has run for a while, and was later than ever before it was looked at. */
export function stream({
  virtual = null as string | null,
  end = statusLine("end"),
  seconds = {},
}: { readonly virtual?: string | null; readonly end?: string; readonly seconds?: object } = {}): string[] {
  const settings = {
    virtual,
    intervalUs: 200,
    values: { governor: "performance", isolatedCpus: "3", commandLine: null },
  };
  return [
    statusLine("begin"),
    `settings ${JSON.stringify(settings)}`,
    secondLine("100.50", seconds),
    processLine({
      cycles: 5000,
      overruns: 2,
      bins: [
        [4, 4000],
        [9, 999],
        [80, 1],
      ],
      max: 79.5,
    }),
    secondLine("101.52", seconds),
    processLine({
      cycles: 6000,
      overruns: 2,
      bins: [
        [4, 4500],
        [9, 1499],
        [80, 1],
      ],
      max: 79.5,
    }),
    "T: 0 (  100) P:80 I:200 C:   5000 Min:      2 Act:    4 Avg:    4 Max:      18",
    "T: 1 (  101) P:80 I:200 C:   5000 Min:      2 Act:    4 Avg:    4 Max:      21",
    secondLine("102.54", seconds),
    processLine({
      cycles: 7000,
      overruns: 3,
      bins: [
        [4, 5500],
        [9, 1499],
        [80, 1],
      ],
      max: 79.5,
    }),
    end,
    ...cyclictestFile({})
      .trimEnd()
      .split("\n")
      .map((line) => `cyclictest ${line}`),
  ];
}
