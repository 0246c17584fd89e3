import { describe, expect, it } from "vitest";
import { assembleRun, type Asked, type WholeRecording } from "../../src/latency/assemble.ts";
import { readCyclictest, readStatusLine } from "../../src/latency/cyclictest.ts";
import { countOf } from "../../src/latency/histogram.ts";
import { recorder, type Recording } from "../../src/latency/recording.ts";
import { cyclictestFile, processLine, statusLine, stream } from "./streams.ts";

function heard(lines: readonly string[]): Recording {
  const { take, recording } = recorder();
  for (const line of lines) take(line);
  return recording();
}

const asked: Asked = {
  project: "arm",
  host: "arm.local",
  startedAt: new Date("2026-11-29T12:00:00Z"),
  requestedSeconds: 2,
  loads: ["cpu"],
  expect: new Map([
    ["imu", { wakeup_p99: 50_000, overruns: 0 }],
    ["gone", { overruns: 0 }],
    ["free", {}],
  ]),
};

const assembled = (lines: readonly string[]) => {
  const recording = heard(lines) as WholeRecording;
  return assembleRun(asked, recording, readCyclictest(recording.cyclictest), null);
};

/** How often a node was started again that is like this at the end. */
const restarted = (end: Parameters<typeof statusLine>[1]): number | undefined =>
  assembled(stream({ end: statusLine("end", end) })).nodes[0]?.restarts;

describe("a run", () => {
  it("has of each node what its loop counted between the first look and the last", () => {
    const [imu] = assembled(stream()).nodes;
    expect(imu).toMatchObject({ name: "imu", policy: "fifo", priority: 40, restarts: 0 });
    expect(imu?.loop).toMatchObject({
      periodUs: 1000,
      counts: { cycles: 2000, overruns: 1, minorFaults: 0 },
      wakeup: {
        bins: [
          [4, 1500],
          [9, 500],
        ],
        max: 9,
      },
    });
    expect(imu?.loop && countOf(imu.loop.wakeup)).toBe(2000);
  });

  it("has of each second the longest wake-up in it, not of the node's whole life", () => {
    const { timeline } = assembled(stream());
    expect(
      timeline.map(({ at, nodes }) => [at, ...nodes.map(({ wakeupMax, overruns }) => [wakeupMax, overruns])]),
    ).toEqual([[0], [1.02, [9, 0]], [2.04, [4, 1]]]);
    expect(timeline[1]?.cpus).toEqual([
      { cpu: 0, maxSoFar: 18 },
      { cpu: 1, maxSoFar: 21 },
    ]);
  });

  it("has cyclictest's status lines, which name threads, by CPU", () => {
    const { timeline } = assembled(stream().map((line) => line.replace('"cpu":0', '"cpu":5')));
    expect(timeline[1]?.cpus).toEqual([
      { cpu: 5, maxSoFar: 18 },
      { cpu: 1, maxSoFar: 21 },
    ]);
  });

  it("has limits in microseconds, also of nodes that are not on the board, and no node besides", () => {
    expect(assembled(stream()).nodes.map(({ name, state, expect: limits }) => ({ name, state, limits }))).toEqual([
      {
        name: "imu",
        state: "active",
        limits: [
          { limit: "wakeup_p99", allowed: 50 },
          { limit: "overruns", allowed: 0 },
        ],
      },
      { name: "gone", state: "not on the board", limits: [{ limit: "overruns", allowed: 0 }] },
    ]);
  });

  it("counts a node that systemd or somebody else started again", () => {
    expect(restarted({ pid: 7, restarts: 3 })).toBe(3);
    expect(restarted({ pid: 8, restarts: 0 })).toBe(1);
  });
});

describe("what a board sends", () => {
  it.each([
    ["no JSON", "begin {"],
    ["another status", 'begin {"release":7}'],
    ["a second without a time", 'second soon {"temperatureC":1,"throttling":null,"loaded":true}'],
    ["a second without any time", 'second  {"temperatureC":1,"throttling":null,"loaded":true}'],
    ["a second without facts", "second 100.5 {}"],
    ["a negative count", processLine({ cycles: -1 })],
    ["an empty bin", processLine({ bins: [[4, 0]] })],
  ])("that is %s is refused", (_, line) => {
    expect(() => heard([line])).toThrow();
  });

  it("keeps nothing that a terminal would obey, and passes by what it does not know", () => {
    const recording = heard([
      statusLine("begin", { name: "imu" }).replace("6.12.57-rt", "6\\u001b[31m"),
      "said \u001b[2Jcyclictest: no",
      "missing rt\u0007tests",
      "T: what",
      "tomorrow there may be more",
      "",
    ]);
    expect(recording.begin?.kernel.version).toBe("6?[31m");
    expect(recording.said).toEqual(["?[2Jcyclictest: no"]);
    expect(recording.missing).toEqual(["rt?tests"]);
  });

  it("that is a credential on the kernel's command line is left out", () => {
    const commandLine = "quiet systemd.set_credential_binary=key:c2VjcmV0 isolcpus=3 systemd.set_credential=a:b";
    const { settings } = heard([
      `settings ${JSON.stringify({ virtual: null, intervalUs: 200, values: { commandLine } })}`,
    ]);
    expect(settings?.values["commandLine"]).toBe(
      "quiet systemd.set_credential_binary=key:… isolcpus=3 systemd.set_credential=a:…",
    );
  });

  it("is not kept without end", () => {
    const { take, recording } = recorder();
    for (let line = 0; line < 5000; line += 1) take(`said line ${line}`);
    expect(recording().said.length).toBe(2000);
  });
});

describe("cyclictest", () => {
  it("says nothing that a terminal would obey", () => {
    const text = cyclictestFile({}).replace("2.80", "2\\u001b[2J");
    expect(readCyclictest(text).version).toBe("2?[2J");
  });

  it("counts what lies beyond its last bin nowhere but in its cycles", () => {
    const { cpus } = readCyclictest(cyclictestFile({ beyond: 4 }));
    expect(cpus.map(({ cpu, times }) => [cpu, countOf(times), times.beyond])).toEqual([
      [0, 1004, 4],
      [1, 1004, 4],
    ]);
  });

  it("has threads in the order of their CPUs, and may have seen nothing", () => {
    const text = cyclictestFile({})
      .replaceAll('"cpu":0', '"cpu":9')
      .replaceAll(/"histogram":\{[^}]*\},/g, "");
    expect(readCyclictest(text).cpus.map(({ cpu, times }) => [cpu, times.bins, times.beyond])).toEqual([
      [1, [], 1000],
      [9, [], 1000],
    ]);
  });

  it("may not have run on a CPU, whose average it cannot write as a number", () => {
    const never = '"cycles":0,"min":1000000,"max":0,"avg": -nan';
    const text = cyclictestFile({})
      .replace(/"histogram":\{[^}]*\},/, "")
      .replace(/"cycles":\d+,"min":\d+,"max":\d+,"avg":[\d.]+/, never);
    expect(text).toContain(never);
    expect(readCyclictest(text).cpus[0]).toEqual({
      cpu: 0,
      min: 0,
      average: 0,
      times: { bins: [], beyond: 0, max: 0 },
    });
  });

  it.each(["{}", "[]", '{"thread":{"0":{"histogram":{"a":1}}}}', cyclictestFile({}).replace('"2":', '"-2":')])(
    "writes no file like %#",
    (text) => {
      expect(() => readCyclictest(text)).toThrow();
    },
  );

  it("says how far it is in lines of its own", () => {
    const line = "T: 1 (29578) P:80 I:1000 C:   1173 Min:     21 Act:   47 Avg:  344 Max:   13218";
    expect(readStatusLine(line)).toEqual({ thread: 1, max: 13_218 });
    expect(readStatusLine("T: 1 and so on")).toBeUndefined();
  });
});
