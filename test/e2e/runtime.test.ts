import { cp } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import { bootBoard, type RunningBoard } from "./board.ts";
import { rtkitResult } from "./cli.ts";
import { checkDoctor } from "./doctor-checks.ts";
import { hasEnded, KILLED, nodesOf, type NodeState, type Nodes } from "./nodes.ts";

/** The nodes that are looked at here, and why each does what it does. */
const FIXTURE = join(rtkitRoot, "test", "fixtures", "runtime");

/** A copy of the project, with its program in C compiled for the board against what `make` built. */
async function makeProject(): Promise<string> {
  const project = join(scratchDir("rtkit-runtime-"), "robot");
  await cp(FIXTURE, project, { recursive: true });
  const program = join(project, "nodes", "native");
  const library = ["-L", join(rtkitRoot, "build", "device", "arm64"), "-lrtnode", "-Wl,-rpath,/usr/lib/rtnode"];
  const compiler = ["-std=c11", "-D_GNU_SOURCE", "-O2", "-Wall", "-Wextra", "-Werror"];
  const source = [`${program}.c`, "-I", join(rtkitRoot, "src", "device"), "-o", program];
  await execa("aarch64-linux-gnu-gcc", [...compiler, ...source, ...library]);
  return project;
}

let board: RunningBoard;
let nodes: Nodes;

beforeAll(async () => {
  const project = await makeProject();
  await rtkitResult(["build", "--project", project]);
  board = await bootBoard(project, "rpi4", "ssh");
  nodes = nodesOf(board);
  expect(await board.ask("systemctl is-system-running --wait")).toBe("running");
  // From here on nodes may be started (the project's overlay).
  await board.ask("sudo touch /run/runtime-test");
  // They run through a hundred thousand cycles while the others are looked at.
  await nodes.start("loop-python", "loop-typescript");
});
afterAll(async () => board?.stop());

/** Policies by linux/sched.h. */
const [OTHER, FIFO, RR] = [0, 1, 2];

const LOOPS = [
  { language: "Python", name: "loop-python", policy: FIFO, word: "fifo", priority: 40, cpus: "3" },
  { language: "TypeScript", name: "loop-typescript", policy: RR, word: "rr", priority: 30, cpus: "2" },
];

describe.each(LOOPS)("a periodic node in $language at 1 kHz", ({ name, policy, word, priority, cpus }) => {
  it("has the policy, priority and CPUs of the project file in its main thread, and in no other", async () => {
    const { MainPID } = await nodes.state(name);
    const [main, ...helpers] = await nodes.threads(MainPID);
    expect(main).toEqual({ policy, priority, cpus });
    expect(helpers.length).toBeGreaterThan(0);
    for (const helper of helpers) expect(helper).toMatchObject({ policy: OTHER, priority: 0 });
    expect(await board.ask(`grep VmLck /proc/${MainPID}/status`)).toMatch(/VmLck:\s+[1-9]\d+ kB/);
  });

  it("has the same settings, its identity and its statistics in what the launcher shows, to everybody", async () => {
    const node = await nodes.shown(name);
    expect(node).toMatchObject({ policy: word, priority, cpus });
    expect(node.stats).toMatchObject({ state: "running", periodUs: 1000 });
    expect(node.stats?.cycles).toBeGreaterThan(0);
    const [, uniqueId, platformId] = await nodes.said(name, /: is (\S+) on (\S+)$/);
    expect(uniqueId).toMatch(new RegExp(`^[0-9a-f-]{36}:${name}:([0-9a-f]{2}:){5}[0-9a-f]{2}$`));
    expect(node.stats?.uniqueId).toBe(uniqueId);
    expect(await board.ask("cat /etc/machine-id")).toBe(platformId);
  });
});

/** What a node's call does, and the exit status that follows: 70 is STATUS_SOFTWARE. */
const ENDS = ["init", "warm-up", "step", "finalize"].flatMap((call, index) => [
  { call, does: "throws", exit: "70" },
  { call, does: "returns", exit: String(11 + index) },
]);

describe.each(["python", "typescript"])("a node in %s", (language) => {
  const nameOf = (call: string, does: string): string => `${language}-${call}-${does}`;
  let states: ReadonlyMap<string, NodeState>;
  let logs: ReadonlyMap<string, readonly string[]>;

  beforeAll(async () => {
    const names = ENDS.map(({ call, does }) => nameOf(call, does));
    // Two at a time: more of them would starve each other on the CPUs that the loops leave.
    for (let i = 0; i < names.length; i += 2) await nodes.start(...names.slice(i, i + 2));
    states = await nodes.ended(names);
    logs = await nodes.logs(names);
  });

  it.each(ENDS)(
    "whose $call $does ends with status $exit, after finalize, and says why once",
    ({ call, does, exit }) => {
      const name = nameOf(call, does);
      expect(states.get(name)).toMatchObject({ ActiveState: "failed", Result: "exit-code", ExecMainStatus: exit });
      const lines = logs.get(name) ?? [];
      expect(lines.filter((line) => line === "finalized")).toHaveLength(1);
      const reports = lines.filter((line) => line.includes(`Error: broken in ${call.replace("-", "_")}`));
      expect(reports).toHaveLength(does === "throws" ? 1 : 0);
    },
  );
});

describe("the collector", () => {
  beforeAll(() => nodes.start("garbage", "collector-on", "allocates"));

  it("is not there for objects in cycles: they are counted at the end, and said", async () => {
    const [, collections] = await nodes.said("garbage", /cycles, .* (\d+) collections/);
    const [, objects] = await nodes.said("garbage", /^garbage: (\d+) objects in cycles/);
    expect(collections).toBe("0");
    expect(Number(objects)).toBeGreaterThanOrEqual(2 * 500);
  });

  it("is switched off again when a library switched it on, and what it did is counted and said", async () => {
    const [, collections] = await nodes.said("collector-on", /cycles, .* (\d+) collections/);
    expect(Number(collections)).toBeGreaterThan(0);
    const lines = await nodes.log("collector-on");
    expect(lines).toContain("collector-on: step switched the collector on; it is off again");
    expect(lines).toContain(`collector-on: the collector was switched on in run and ran ${collections} times`);
  });

  it("of V8, which cannot be switched off, is counted and said", async () => {
    const [, collections] = await nodes.said("allocates", /(\d+) collections$/);
    expect(Number(collections)).toBeGreaterThan(0);
  });
});

describe("the launcher", () => {
  beforeAll(() => nodes.start("no-priority", "no-memory"));

  it.each([
    { name: "no-priority", why: /^sched_setattr: EPERM: RLIMIT_RTPRIO is 0, .* set LimitRTPRIO= in the unit$/ },
    {
      name: "no-memory",
      why: /^mlockall: .*: RLIMIT_MEMLOCK is 65536 bytes, .* set LimitMEMLOCK=infinity in the unit$/,
    },
  ])("does not start a node that lacks a limit ($name), and the unit's status line says why", async ({ name, why }) => {
    const state = await nodes.state(name);
    expect(state).toMatchObject({ ActiveState: "failed", ExecMainStatus: "125", NRestarts: "0" });
    expect(state.StatusText).toMatch(why);
    expect((await board.tryAsk(`systemctl status rtnode@${name}`)).output).toContain(state.StatusText);
  });
});

describe("systemd", () => {
  it("holds a node for active when its loop begins, not before", async () => {
    await board.ask("sudo systemctl start --no-block rtnode@slow-start");
    await nodes.said("slow-start", /^init waits for SIGUSR1$/);
    expect(await nodes.state("slow-start")).toMatchObject({ ActiveState: "activating", SubState: "start" });
    await board.ask("sudo systemctl kill --signal=USR1 rtnode@slow-start");
    await nodes.until("slow-start", ({ ActiveState }) => ActiveState === "active");
    expect((await nodes.shown("slow-start")).stats).toMatchObject({ state: "running" });
  });

  it("ends a node whose step hangs, by the watchdog, and leaves one alone whose loop goes on", async () => {
    await nodes.start("steady", "hangs");
    const { MainPID } = await nodes.state("steady");
    expect(await nodes.until("hangs", hasEnded)).toMatchObject({ Result: "watchdog", ExecMainCode: KILLED });
    expect(await nodes.log("hangs")).toContain("hangs: waits for ever");
    // Twice the watchdog's time.
    const steady = await nodes.until(
      "steady",
      (state) => Number(state.WatchdogTimestampMonotonic) - Number(state.ActiveEnterTimestampMonotonic) > 10e6,
    );
    expect(steady).toMatchObject({ ActiveState: "active", NRestarts: "0", MainPID });
  });

  it("starts a node again that was killed", async () => {
    const { MainPID } = await nodes.state("steady");
    await board.ask("sudo systemctl kill --signal=KILL rtnode@steady");
    const again = await nodes.until(
      "steady",
      ({ NRestarts, ActiveState }) => NRestarts === "1" && ActiveState === "active",
    );
    expect(again.MainPID).not.toBe(MainPID);
    expect(await nodes.log("steady")).not.toContain("finalized");
  });

  it("kills a node that ignores SIGTERM when the unit's time to stop is over", async () => {
    await nodes.start("deaf");
    expect(await nodes.state("deaf")).toMatchObject({ ActiveState: "active" });
    await board.ask("sudo systemctl stop rtnode@deaf");
    expect(await nodes.state("deaf")).toMatchObject({ Result: "timeout", ExecMainCode: KILLED, ExecMainStatus: "9" });
  });
});

describe("a loop that never blocks", () => {
  const names = ["spins-python", "spins-native"];
  let first: ReadonlyMap<string, NodeState>;

  beforeAll(async () => {
    first = await nodes.states(names);
    await nodes.start(...names);
  });
  afterAll(async () => void (await board.ask("sudo systemctl stop rtnode@spins-python rtnode@spins-native")));

  it("does not keep anybody from logging in", async () => {
    expect(await board.logIn("echo reached")).toEqual({ status: 0, output: "reached" });
  });

  it("is ended by RLIMIT_RTTIME: a program by SIGXCPU, a node in Python by an exception, after which it finalizes", async () => {
    await nodes.said("spins-native", /Main process exited, code=killed, status=24\/XCPU/);
    await nodes.said("spins-python", /^RuntimeError: ran longer without blocking than its rttime allows \(SIGXCPU\)$/);
    await nodes.said("spins-python", /^finalized$/);
    await nodes.said("spins-python", /Main process exited, code=exited, status=70/);
  });

  it.each(names)("is started again and again, each time after a longer pause (%s)", async (name) => {
    const later = await nodes.until(name, ({ NRestarts }) => Number(NRestarts) >= 2);
    // In seconds, as systemctl shows them.
    const pauses = [first.get(name), later].map((state) => Number.parseFloat(state?.RestartUSecNext ?? ""));
    expect(pauses[0]).toBe(1);
    expect(pauses[1]).toBeGreaterThan(1);
  });

  it("has the project file's schedule, and says that its constructor asked for another", async () => {
    await nodes.said("spins-python", /the project file's fifo 10 holds; the constructor says not real-time$/);
  });
});

describe("a node in C", () => {
  it("says when it is ready, has its launch options, and counts as the SDKs do", async () => {
    await nodes.start("native");
    const { ActiveState, MainPID } = await nodes.state("native");
    expect(ActiveState).toBe("active");
    const [main, ...helpers] = await nodes.threads(MainPID);
    expect(main).toEqual({ policy: FIFO, priority: 20, cpus: "0-1" });
    expect(helpers).toEqual([{ policy: OTHER, priority: 0, cpus: "0-1" }]);
    expect((await nodes.shown("native")).stats).toMatchObject({ state: "running", periodUs: 1000 });
    await board.ask("sudo systemctl stop rtnode@native");
    expect(await nodes.state("native")).toMatchObject({ Result: "success", ExecMainStatus: "0" });
    await nodes.said("native", /^native: [1-9]\d* cycles, 0 minor faults, 0 major faults$/);
  });
});

describe("the operator's commands", () => {
  checkDoctor(
    () => board,
    () => nodes,
  );
});

describe("after a hundred thousand cycles at 1 kHz", () => {
  it("a publisher in Python and a subscriber in TypeScript have told each other whole records", async () => {
    const [, received, torn] = await nodes.said("loop-typescript", /: 100000 cycles; received (\d+), (\d+) torn$/);
    expect(Number(received)).toBeGreaterThan(0);
    const [, answer, tornThen] = await nodes.said("loop-python", /: 100000 cycles; the answer is (\d+), (\d+) torn$/);
    expect(Number(answer)).toBeGreaterThan(0);
    expect([torn, tornThen]).toEqual(["0", "0"]);
  });

  it.each(LOOPS)("the node in $language has had no page fault and no collection", async ({ name }) => {
    await nodes.said(name, /: 100000 cycles/);
    const none = { minorFaults: 0, majorFaults: 0, collections: 0 };
    expect((await nodes.shown(name)).stats).toMatchObject({ state: "running", ...none });
    await board.ask(`sudo systemctl stop rtnode@${name}`);
    expect(await nodes.state(name)).toMatchObject({ Result: "success", ExecMainStatus: "0", NRestarts: "0" });
    const [, cycles, faults, major, collections] = await nodes.said(
      name,
      /: (\d+) cycles, \d+ overruns; .*; (\d+) minor faults, (\d+) major faults, .* (\d+) collections$/,
    );
    expect(Number(cycles)).toBeGreaterThanOrEqual(100_000);
    expect({ faults, major, collections }).toEqual({ faults: "0", major: "0", collections: "0" });
  });
});
