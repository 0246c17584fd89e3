import { describe, expect, it } from "vitest";
import { describeBoard, formatUptime, type Shown } from "../../../src/cli/status/describe-board.ts";

const address = { host: "arm.local", port: null, user: "robot" };
const id = (digit: string): string => digit.repeat(64);

const status: Shown = {
  release: id("a"),
  previous: id("b"),
  pending: null,
  kernel: { version: "6.12.0-rt", realtime: true },
  nodes: [
    {
      name: "imu",
      state: "active",
      pid: 812,
      policy: "fifo",
      priority: 40,
      cpus: "3",
      lockedKiB: 40_960,
      restarts: 0,
      reason: null,
      stats: { cycles: 12_000, overruns: 1, minorFaults: 2, majorFaults: 0, wakeupUs: { p99: 31.5 } },
    },
    {
      name: "arm",
      state: "failed",
      pid: null,
      policy: null,
      priority: null,
      cpus: null,
      lockedKiB: null,
      restarts: 5,
      reason: "cannot open \u001b[31m/dev/i2c-1",
      stats: null,
    },
  ],
  releases: [
    { id: id("a"), mark: "current", time: 2 },
    { id: id("b"), mark: "previous", time: 1 },
    { id: id("c"), mark: "-", time: 0 },
  ],
};

describe("a board is described", () => {
  it("by its kernel, releases, and what each node has and counts", () => {
    expect(describeBoard(address, status)).toBe(
      [
        "arm.local  Linux 6.12.0-rt, real-time",
        "release aaaaaaaaaaaa, previous bbbbbbbbbbbb, also there cccccccccccc",
        "NAME  STATE   PID  POLICY  PRIORITY  CPUS  LOCKEDKIB  RESTARTS  CYCLES  OVERRUNS  P99/US  FAULTS",
        "imu   active  812  fifo    40        3     40960      0         12000   1         31.5    2+0",
        "arm   failed  -    -       -         -     -          5         -       -         -       -       cannot open ?[31m/dev/i2c-1",
      ].join("\n"),
    );
  });

  it("by the release that it went back from, and why", () => {
    const wentBack = { release: id("d"), time: 1_764_000_000, reason: "imu failed: \u001b[31mno device" };
    expect(describeBoard(address, { ...status, wentBack }).split("\n")[1]).toMatch(
      /^! went back from dddddddddddd by itself at 2025-11-24 16:00:00 UTC: imu failed: \?\[31mno device$/,
    );
  });

  it("by its model, since when it runs, how warm it is, and in plain words by what troubles it", () => {
    const board = "Raspberry Pi 4 Model B Rev 1.4";
    const more = { board, architecture: "aarch64", uptimeSeconds: 273_943, temperatureC: 52.3 };
    const lines = (throttling: Shown["throttling"]): string[] =>
      describeBoard(address, { ...status, ...more, throttling }).split("\n");
    const head = `arm.local  Linux 6.12.0-rt, real-time, ${board} aarch64, up 3 d 4 h, 52 °C`;
    expect(lines({ underVoltage: true, frequencyCapped: true }).slice(0, 4)).toEqual([
      head,
      expect.stringMatching(/^! its power is too weak/),
      expect.stringMatching(/^! it is too hot/),
      expect.stringMatching(/^release /),
    ]);
    for (const fine of [null, { underVoltage: null, frequencyCapped: false }]) {
      expect(lines(fine).slice(0, 2)).toEqual([head, expect.stringMatching(/^release /)]);
    }
  });
});

it.each([
  [0, "0 s"],
  [59, "59 s"],
  [310, "5 min 10 s"],
  [3600, "1 h"],
  [90_000, "1 d 1 h"],
  [273_943, "3 d 4 h"],
  [31_536_000, "365 d"],
])("%i s are %s", (seconds, text) => {
  expect(formatUptime(seconds)).toBe(text);
});
