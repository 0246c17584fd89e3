import { describe, expect, it } from "vitest";
import type { Expectation, NodeRun } from "../../src/latency/run.ts";
import { judge, type State } from "../../src/latency/verdict.ts";
import { latencyRun, nodeRun, second, times } from "./runs.ts";

const judged = (node: NodeRun): { state: State | undefined; words: string | undefined } => {
  const [only] = judge(latencyRun({ nodes: [node] })).judgements;
  return { state: only?.state, words: only?.words };
};

/** A node of which one thing is expected. */
const expecting = (limit: Expectation["limit"], allowed: number, has: Parameters<typeof nodeRun>[1] = {}): NodeRun =>
  nodeRun("imu", { ...has, expect: [{ limit, allowed }] });

/** Why it is not shown whether a node meets its limit. */
function unshown(node: NodeRun): string | undefined {
  const { state, words } = judged(node);
  expect(state).toBe("unproven");
  return words;
}

describe("a limit", () => {
  it.each<[Expectation["limit"], number, State, string]>([
    ["wakeup_p99", 12, "met", "p99 is 12 µs, 12 µs allowed, in 60,000 steps"],
    ["wakeup_p99", 11, "missed", "p99 is 12 µs, 11 µs allowed, in 60,000 steps"],
    ["wakeup_p999", 12, "met", "p99.9 is 12 µs"],
    ["wakeup_max", 31, "met", "the longest is 31 µs"],
    ["wakeup_max", 30.5, "missed", "the longest is 31 µs, 30.5 µs allowed"],
    ["step_p99", 39, "missed", "p99 is 40 µs"],
    ["step_max", 40, "met", "the longest is 40 µs"],
    ["overruns", 0, "met", "0 of 0 allowed in 60,000 steps"],
    ["faults", 0, "met", "0 of 0"],
  ])("%s of %d is %s", (limit, allowed, state, words) => {
    expect(judged(expecting(limit, allowed))).toEqual({ state, words: expect.stringContaining(words) });
  });

  it.each<[Expectation["limit"], number]>([
    ["overruns", 2],
    ["faults", 4],
    ["collections", 1],
    ["switches", 5],
  ])("on %s counts what happened in the loop", (limit, happened) => {
    const counts = { overruns: 2, minorFaults: 3, majorFaults: 1, collections: 1, involuntarySwitches: 5 };
    expect(judged(expecting(limit, happened, { counts })).state).toBe("met");
    expect(judged(expecting(limit, happened - 1, { counts })).state).toBe("missed");
  });

  it("on a percentile that too few steps show is met when even the longest is within it, and else not shown", () => {
    const wakeup = times([7, 4999], [60, 1]);
    expect(judged(expecting("wakeup_p999", 60, { wakeup }))).toEqual({
      state: "met",
      words: "p99.9 is no more than 60 µs, 60 µs allowed, in 5,000 steps",
    });
    expect(judged(expecting("wakeup_p999", 50, { wakeup }))).toEqual({
      state: "unproven",
      words: "5,000 steps do not show p99.9, 10,000 do: measure for longer",
    });
  });

  it("of a node that counts nothing, did not step, or was started again is not shown", () => {
    expect(unshown({ ...expecting("overruns", 0), loop: null })).toContain("imu is active and counts nothing");
    expect(unshown(expecting("overruns", 0, { counts: { cycles: 0 } }))).toContain("the loop of imu did not run");
    expect(unshown(expecting("wakeup_max", 9, { wakeup: times() }))).toBe("no step was measured");
    expect(unshown(expecting("overruns", 0, { restarts: 1 }))).toContain("was started again");
  });

  it.each<Expectation["limit"]>(["overruns", "wakeup_max", "step_p99", "faults"])(
    "on %s is not shown to be met by a loop that stood still: what is not done is not late",
    (limit) => {
      const hung = { cycles: 1000, overruns: 0 };
      expect(unshown(expecting(limit, 100, { counts: hung }))).toBe(
        "imu stood still: 1,000 steps in 60 s, one every 1 ms was due",
      );
      expect(judged(expecting("wakeup_max", 30, { counts: hung })).state).toBe("missed");
      // Steps that were left out are counted as overruns: that loop went on.
      expect(judged(expecting("faults", 0, { counts: { cycles: 30_000, overruns: 29_000 } })).state).toBe("met");
    },
  );
});

it.each([
  [1000, 54_000, false],
  [1000, 51_569, true],
  [10_000_000, 5, false],
  [10_000_000, 4, true],
  [60_000_000, 0, false],
])("of a loop every %d µs, %d steps in a minute are a standstill: %j", (periodUs, cycles, still) => {
  const node = nodeRun("imu", { counts: { cycles } });
  const loop = node.loop === null ? null : { ...node.loop, periodUs };
  const { doubts } = judge(latencyRun({ nodes: [{ ...node, loop }] }));
  expect(doubts.some((doubt) => doubt.includes("stood still"))).toBe(still);
});

describe("the verdict", () => {
  const met = expecting("overruns", 0);
  const missed = expecting("wakeup_p99", 1);
  const unproven = { ...met, loop: null };

  it.each([
    [[met], "met", "met", "All limits are met"],
    [[met, missed], "missed", "missed", "1 of 2 limits is missed"],
    [[missed, missed, unproven], "missed", "missed", "2 of 3 limits are missed"],
    [[met, unproven], "unproven", "unproven", "1 of 2 limits is not shown to be met"],
    [
      [nodeRun("imu")],
      "none",
      "none",
      "Nothing to judge by: the longest wake-up took 44 µs, and the project file states no limits",
    ],
  ])("of %# is in plain words", (nodes, state, tone, headline) => {
    expect(judge(latencyRun({ nodes }))).toMatchObject({ state, tone, headline, doubts: [] });
  });

  it.each([
    [
      "a virtual machine",
      latencyRun({ nodes: [met] }, { virtual: "qemu" }),
      "a virtual machine (qemu)",
      "This is a virtual machine (qemu)",
    ],
    [
      "under-voltage",
      latencyRun({ nodes: [met], timeline: [second(0), second(60, { underVoltage: true })] }),
      "its power was too weak (under-voltage)",
      "The power was too weak in 1 of 2 looks",
    ],
    [
      "a hot processor",
      latencyRun({ nodes: [met], timeline: [second(0), second(60, { frequencyCapped: true })] }),
      "it was too hot and slowed down",
      "The board was too hot in 1 of 2 looks",
    ],
  ])("of %s says that the figures are not the board's, and looks doubtful", (_, run, why, doubt) => {
    const { state, tone, headline, doubts } = judge(run);
    expect({ state, tone, headline }).toEqual({
      state: "met",
      tone: "unproven",
      headline: `All limits are met, but these are not the board's figures: ${why}`,
    });
    expect(doubts).toEqual([expect.stringContaining(doubt)]);
  });

  it.each([
    ["a kernel that is not real-time", latencyRun({}, { realtime: false }), "The kernel 6.12.57-rt is not PREEMPT_RT"],
    [
      "a load that ended",
      latencyRun({ timeline: [second(0), second(7, { loaded: false }), second(60)] }),
      "The load ended after 7 s",
    ],
    ["a run that ended early", latencyRun({ seconds: 31 }), "It ended after 31 of 60 s"],
    [
      "a node that was started again",
      latencyRun({ nodes: [nodeRun("imu", { restarts: 2 })] }),
      "imu ended and was started again 2 times",
    ],
    [
      "a node without limits that stood still",
      latencyRun({ nodes: [nodeRun("imu", { counts: { cycles: 20_000 } })] }),
      "imu stood still: 20,000 steps in 60 s",
    ],
  ])("of %s says so", (_, run, doubt) => {
    expect(judge(run).doubts).toEqual([expect.stringContaining(doubt)]);
  });

  it("says on which CPU nothing was measured", () => {
    const run = latencyRun();
    const [cpu] = run.cyclictest.cpus;
    if (cpu) cpu.times = times();
    expect(judge(run).doubts).toEqual(["cyclictest did not run once on CPU 0: nothing is known of its wake-ups."]);
  });

  it("says which wake-ups no bin holds", () => {
    const run = latencyRun();
    const [cpu] = run.cyclictest.cpus;
    if (cpu) cpu.times = { ...cpu.times, beyond: 3, max: 25_000 };
    expect(judge(run).doubts).toEqual([
      "3 wake-ups of cyclictest were longer than its last bin: the longest took 25 ms.",
    ]);
  });
});
