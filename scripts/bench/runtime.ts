// Prints how a loop of 1 kHz wakes on this machine with the SDKs, beside cyclictest (Debian package rt-tests) and beside
// the same programs started as they are: median over the rounds of each figure, all in the same run and taking turns. Then
// what rt-launch costs at start beside chrt, taskset and prlimit. Needs the right to real-time policies (root).
import { mkdtemp, readFile, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { build } from "esbuild";
import { exec } from "../../src/core/exec.ts";
import { removeTree } from "../../src/core/remove.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { hostArchitecture } from "../../src/core/architecture.ts";
import { median, printTable } from "./table.ts";

const ROUNDS = 5;
const CYCLES = 5000;
const PERIOD_US = 1000;
const PRIORITY = 80;
/** The last CPU: the first has most interrupts. */
const CPU = String(Number((await exec("nproc", ["--all"])).stdout) - 1);
const STARTS = 200;

const deviceDir = join(rtkitRoot, "build", "device", hostArchitecture() ?? process.arch);
const launcher = join(deviceDir, "rt-launch");

/** Figures of one run; a figure that a program does not tell is missing. Times in microseconds. */
type Figures = Readonly<Record<string, number>>;

const PYTHON_NODE = `
import os
from rtnode import PeriodicNode
class Bench(PeriodicNode):
    def init(self):
        self.values = [0.0] * 16
        return 0
    def step(self):
        for i in range(16):
            self.values[i] = self.values[i] * 0.9 + 0.1
        return 0 if self.cycles < ${CYCLES} else 1
    def finalize(self):
        return 0
Bench(period=${PERIOD_US / 1e6}, realtime="RTNODE_LAUNCHED" in os.environ).main()
`;

const TYPESCRIPT_NODE = `
import { PeriodicNode } from "rtnode";
class Bench extends PeriodicNode {
  values = new Float64Array(16);
  init() { return 0; }
  override warmUp() { if (this.realtime) for (let i = 0; i < 100_000; i++) this.step(); return 0; }
  step() {
    for (let i = 0; i < 16; i++) this.values[i] = this.values[i]! * 0.9 + 0.1;
    return this.cycles < ${CYCLES} ? 0 : 1;
  }
  finalize() { return 0; }
}
await new Bench({ period: ${PERIOD_US / 1e6}, realtime: "RTNODE_LAUNCHED" in process.env }).main();
`;

const LAUNCH =
  `${launcher} --policy fifo --priority ${PRIORITY} --cpus ${CPU} --lock-memory --stack 524288 --heap 16777216`.split(
    " ",
  );

function shown(value: number): string {
  return Number.isNaN(value) ? "-" : String(value);
}

function shownMs(ms: number): string {
  return `${ms.toFixed(2)} ms`;
}

/** The node's flags as src/bundle/launch-conf.ts has them. */
const V8_FLAGS = ["--single-threaded-gc", "--expose-gc", "--min-semi-space-size=32", "--max-semi-space-size=32"];

/** Starts a node and reads the line of statistics that it ends with. */
async function node(words: readonly string[]): Promise<Figures> {
  const [file = "", ...args] = words;
  const env = {
    PYTHONPATH: join(rtkitRoot, "src", "sdk", "python"),
    RTNODE_LIBRARY: join(deviceDir, "librtnode.so"),
    RTNODE_ADDON: join(deviceDir, "rtnode.node"),
    RTNODE_NAME: "bench",
  };
  let said = "";
  // The node's status is 1: that is how it says that it has done its cycles.
  await exec(file, args, { env, onStderrLine: (line) => (said += `${line}\n`) }).catch(() => undefined);
  const figure = (pattern: RegExp): number => {
    const found = pattern.exec(said)?.[1];
    if (found === undefined) throw new Error(`${words.join(" ")} said nothing like ${pattern.source}:\n${said}`);
    return Number(found);
  };
  return {
    p50: figure(/wake-up p50 (\d+)/),
    p99: figure(/wake-up p50 \d+, p99 (\d+)/),
    max: figure(/wake-up p50 \d+, p99 \d+, max (\d+)/),
    overruns: figure(/(\d+) overruns/),
    "minor faults": figure(/(\d+) minor faults/),
    "major faults": figure(/(\d+) major faults/),
    collections: figure(/(\d+) collections/),
  };
}

async function cyclictest(scratch: string): Promise<Figures> {
  const file = join(scratch, "cyclictest.json");
  const loop = ["-p", String(PRIORITY), "-i", String(PERIOD_US), "-l", String(CYCLES), "-a", CPU, "-t", "1"];
  await exec("cyclictest", ["-m", "-q", "-h", "20000", ...loop, `--json=${file}`]);
  const { thread } = JSON.parse(await readFile(file, "utf8")) as {
    thread: { 0: { histogram: Record<string, number>; max: number } };
  };
  const bins = Object.entries(thread[0].histogram).map(([us, count]) => [Number(us), count] as const);
  const total = bins.reduce((sum, [, count]) => sum + count, 0);
  const quantile = (share: number): number => {
    let seen = 0;
    return bins.find(([, count]) => (seen += count) >= share * total)?.[0] ?? thread[0].max;
  };
  return { p50: quantile(0.5), p99: quantile(0.99), max: thread[0].max };
}

/** Milliseconds from the start of a program to its end: the median of many, the programs taking turns. */
async function startTimes(programs: readonly (readonly string[])[]): Promise<number[]> {
  const times = programs.map((): number[] => []);
  for (let index = 0; index < STARTS; index += 1) {
    for (const [program, [file = "", ...args]] of programs.entries()) {
      const started = performance.now();
      await exec(file, args);
      times[program]?.push(performance.now() - started);
    }
  }
  return times.map((all) => median(all));
}

async function latencies(scratch: string): Promise<void> {
  const python = join(scratch, "bench.py");
  const typescript = join(scratch, "bench.mjs");
  await writeFile(python, PYTHON_NODE);
  await build({
    stdin: { contents: TYPESCRIPT_NODE, loader: "ts", resolveDir: rtkitRoot },
    outfile: typescript,
    bundle: true,
    platform: "node",
    format: "esm",
    alias: { rtnode: join(rtkitRoot, "src", "sdk", "typescript", "index.ts") },
  });
  const plain = [process.execPath, typescript];
  const contenders = new Map<string, () => Promise<Figures>>([
    ["cyclictest", () => cyclictest(scratch)],
    ["Python, rt-launch", () => node([...LAUNCH, "/usr/bin/python3", python])],
    ["Python, plain", () => node(["/usr/bin/python3", python])],
    ["TypeScript, rt-launch", () => node([...LAUNCH, process.execPath, ...V8_FLAGS, typescript])],
    ["TypeScript, plain", () => node(plain)],
  ]);
  const runs = new Map<string, Figures[]>([...contenders.keys()].map((name) => [name, []]));
  for (let round = 0; round < ROUNDS; round += 1) {
    for (const [name, run] of contenders) runs.get(name)?.push(await run());
  }
  const of = (name: string, figure: string): number =>
    median((runs.get(name) ?? []).map((figures) => figures[figure] ?? Number.NaN));
  const ratio = (name: string, figure: string): string => {
    const value = of(name, figure) / of("cyclictest", figure);
    return value.toPrecision(2);
  };
  const counts = ["overruns", "minor faults", "major faults", "collections"];
  printTable(`wake-up at ${1e6 / PERIOD_US} Hz, FIFO ${PRIORITY}, µs; median of ${ROUNDS} runs of ${CYCLES} cycles`, [
    ["", "p50", "÷ cyclictest", "p99", "÷ cyclictest", "max", ...counts],
    ...[...contenders.keys()].map((name) => [
      name,
      ...["p50", "p99"].flatMap((figure) => [shown(of(name, figure)), ratio(name, figure)]),
      ...["max", ...counts].map((figure) => shown(of(name, figure))),
    ]),
  ]);
}

async function launchCosts(): Promise<void> {
  const options = ["--policy", "fifo", "--priority", "10", "--cpus", CPU, "--rttime", "1s"];
  const words = ["-f", "10", "taskset", "-c", CPU, "prlimit", "--rttime=1000000:2000000", "true"];
  const [nothing = 0, launched = 0, chained = 0] = await startTimes([
    ["true"],
    [launcher, ...options, "true"],
    ["chrt", ...words],
  ]);
  const [ours, theirs] = [launched - nothing, chained - nothing];
  printTable(`added to the start of a program; median of ${STARTS}`, [
    ["rt-launch", shownMs(ours), "÷ chrt, taskset and prlimit", (ours / theirs).toPrecision(2)],
    ["chrt, taskset, prlimit", shownMs(theirs)],
  ]);
}

const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
try {
  await latencies(scratch);
  await launchCosts();
} finally {
  await removeTree(scratch);
}
