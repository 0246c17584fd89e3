import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { measureBoard } from "../../src/cli/latency/measure-board.ts";
import { runCli } from "../../src/cli/program.ts";
import { formatAddress } from "../../src/deploy/address.ts";
import { parseRun } from "../../src/latency/run.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../deploy/sshd.ts";
import { cyclictestFile, stream } from "../latency/streams.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";

let operator: Operator;
let board: FakeBoard;
let project: string;
let printed: string;

beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  project = scratchDir("rtkit-latency-");
  mkdirSync(join(project, "nodes"));
  writeFileSync(join(project, "nodes/imu.py"), "");
  expecting("{}");
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((printed += String(text)), true));
});
afterEach(() => vi.restoreAllMocks());

/** A project whose one node is held to this. */
function expecting(limits: string): void {
  const node = `{ entry: nodes/imu.py, schedule: { policy: fifo, priority: 40, cpus: [3] }, expect: ${limits} }`;
  writeFileSync(join(project, "rtkit.yaml"), `name: arm\nboard: rpi4\nnodes: { imu: ${node} }\n`);
}

/** From now on the board answers a measurement with these lines. */
function boardSays(lines: readonly string[], { status = 0, stderr = "", blame = [] as readonly string[] } = {}): void {
  writeFileSync(join(board.root, "lines"), lines.map((line) => `${line}\n`).join(""));
  writeFileSync(join(board.root, "blame"), blame.map((line) => `${line}\n`).join(""));
  const said = stderr === "" ? "" : `echo '${stderr}' >&2;`;
  board.before(`case $SSH_ORIGINAL_COMMAND in
*' latency '*' --blame '*) cat '${board.root}/blame'; ${said} exit ${status} ;;
*' latency '*) cat '${board.root}/lines'; ${blame.length === 0 ? said : ""} exit ${blame.length === 0 ? status : 0} ;;
esac`);
}

async function latency(...words: string[]): Promise<number> {
  printed = "";
  const host = `${board.address.user}@${formatAddress(board.address)}`;
  const where = ["--host", host, "--ssh-config", operator.settings.config ?? "", "--accept-new"];
  return runCli(["latency", "--project", project, "--duration", "2s", ...where, ...words]);
}

const lastLine = (): Record<string, unknown> => JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "");

/** The folder of the only run. */
function runFolder(): string {
  const runs = readdirSync(join(project, "out/latency"));
  expect(runs).toHaveLength(1);
  return join(project, "out/latency", runs[0] ?? "");
}

it("measures, says it in plain words, and writes the report in every form", async () => {
  expecting("{ wakeup_p99: 50us, overruns: 1 }");
  boardSays(stream());
  expect(await latency("--load", "cpu,net"), printed).toBe(0);
  expect(board.commands()).toEqual(["latency 2 cpu,net"]);
  expect(printed).toMatch(/^CPU 0 +1,000 +2 µs +4 µs +- +- +21 µs /m);
  expect(printed).toMatch(/^imu wake-up +2,000 +4 µs +9 µs +- +- +9 µs /m);
  expect(printed).toContain("✓ All limits are met\n  ✓ imu: wake-up p99: p99 is 9 µs, 50 µs allowed, in 2,000 steps");
  expect(readdirSync(runFolder()).toSorted()).toEqual([
    "cyclictest.json",
    "latency.png",
    "latency.svg",
    "report.html",
    "run.json",
  ]);
  const read = (name: string): Buffer => readFileSync(join(runFolder(), name));
  expect(String(read("cyclictest.json"))).toBe(cyclictestFile({}));
  expect(String(read("report.html"))).toContain("<strong>All limits are met</strong>");
  expect(read("latency.png").subarray(1, 4).toString()).toBe("PNG");
  // IHDR: twice the 1200 by 840 of the SVG.
  expect([read("latency.png").readUInt32BE(16), read("latency.png").readUInt32BE(20)]).toEqual([2400, 1680]);
  expect(parseRun(String(read("run.json")), "run.json")).toMatchObject({ project: "arm", loads: ["cpu", "net"] });
});

it("a limit that is missed is exit status 1, and so is one that too few steps show", async () => {
  expecting("{ overruns: 0, wakeup_p99: 8us }");
  boardSays(stream());
  expect(await latency("--json")).toBe(1);
  expect(lastLine()).toMatchObject({
    type: "result",
    verdict: "missed",
    headline: "2 of 2 limits are missed",
    limits: [
      { node: "imu", limit: "wakeup_p99", allowed: 8, measured: 9, state: "missed" },
      { node: "imu", limit: "overruns", allowed: 0, measured: 1, state: "missed" },
    ],
  });
  expecting("{ wakeup_p999: 5us }");
  expect(await latency()).toBe(1);
  expect(printed).toContain("? 1 of 1 limits is not shown to be met");
});

it("says that a virtual machine's figures are not the board's", async () => {
  boardSays(stream({ virtual: "qemu" }));
  expect(await latency("--json")).toBe(0);
  expect(lastLine()).toMatchObject({
    verdict: "none",
    headline: expect.stringContaining("but these are not the board's figures: a virtual machine (qemu)"),
    doubts: [expect.stringContaining("This is a virtual machine (qemu)")],
  });
});

it("--compare says what changed since an earlier run", async () => {
  boardSays(stream());
  await latency();
  const file = join(project, "earlier.json");
  const earlier = readFileSync(join(runFolder(), "run.json"), "utf8").replace("6.12.57-rt", "6.12.40-rt");
  writeFileSync(file, earlier.replace('[9,500]],"beyond":0,"max":9', '[30,500]],"beyond":0,"max":30'));
  expect(await latency("--compare", file)).toBe(0);
  expect(printed).toContain("  imu wake-up p99: 30 µs → 9 µs, better\n");
  expect(printed).toContain("kernel: 6.12.40-rt (real-time) → 6.12.57-rt (real-time)");
  expect(await latency("--compare", join(project, "none.json"))).toBe(2);
  expect(printed).toContain("none.json cannot be read (ENOENT) [RTK_LATENCY_COMPARE]");
});

it("--blame looks for who is in the way afterwards, or says why it cannot", async () => {
  const rtla = [
    "## CPU 1 hit stop tracing, analyzing it ##",
    "  Blocking thread:  21.79 us (65.64 %)",
    "\t objtool:49256  21.79 us",
  ];
  boardSays(stream(), { blame: rtla.map((line) => `blame ${line}`) });
  expect(await latency("--blame")).toBe(0);
  expect(board.commands()).toEqual([
    "latency 2 cpu,disk,net,memory",
    // Half of the longest that cyclictest saw.
    "latency 2 cpu,disk,net,memory --blame 10",
  ]);
  expect(printed).toContain("A wake-up on CPU 1 was later than 10 µs, 21.8 µs of it by thread objtool (49256).");

  const stderr = "rtnodectl: the kernel has no timerlat tracer";
  boardSays(stream(), { blame: ["said nothing of use"], status: 1, stderr });
  expect(await latency("--blame")).toBe(0);
  expect(printed).toContain("Who was in the way is not known: the kernel has no timerlat tracer.");
  boardSays(stream(), { blame: ["missing rtla"], status: 1 });
  expect(await latency("--blame")).toBe(0);
  expect(printed).toContain("Who was in the way is not known: the board has no rtla");
});

it.each([
  [["--duration", "soon"], "RTK_LATENCY_DURATION"],
  [["--duration", "0s"], "RTK_LATENCY_DURATION"],
  [["--duration", "8d"], "RTK_LATENCY_DURATION"],
  [["--load", "cpu,gpu"], "RTK_LATENCY_LOAD"],
  [["--load", ""], "RTK_LATENCY_LOAD"],
])("%j is refused before anything is asked", async (words, code) => {
  expect(await latency(...words)).toBe(2);
  expect(printed).toContain(code);
  expect(board.commands()).toEqual([]);
});

it("a board without the programs, an older one, and one whose kernel refuses, are told with what helps", async () => {
  boardSays(["missing rt-tests", "missing stress-ng"], { status: 1 });
  expect(await latency()).toBe(1);
  expect(printed).toContain("has no rt-tests and no stress-ng [RTK_LATENCY_MISSING]");
  expect(printed).toContain("image: { packages: [rt-tests, stress-ng] }");
  expect(printed).toContain("sudo apt-get install rt-tests stress-ng");

  boardSays([], { status: 2, stderr: "usage: rtnodectl apply" });
  expect(await latency()).toBe(1);
  expect(printed).toContain("RTK_DEPLOY_BOARD_OLD");

  const failed = stream().filter((line) => !line.startsWith("cyclictest "));
  boardSays([...failed, "said Unable to change scheduling policy!"], { status: 1 });
  expect(await latency()).toBe(1);
  expect(printed).toContain("could not measure: Unable to change scheduling policy! [RTK_LATENCY_FAILED]");
});

it("what a board must not say ends the measurement at once", async () => {
  boardSays([...stream().slice(0, 3), '{"pid":"7"}', ...stream().slice(4)]);
  expect(await latency()).toBe(1);
  expect(printed).toContain("RTK_DEPLOY_ANSWER");
  expect(existsSync(join(project, "out"))).toBe(false);
});

it("Ctrl-C stops the board, and leaves nothing here", async () => {
  board.before(`case $SSH_ORIGINAL_COMMAND in *' latency '*)
cat '${board.root}/lines'
while read -r _; do :; done
echo stopped >'${board.root}/stopped'
exit 1 ;;
esac`);
  writeFileSync(
    join(board.root, "lines"),
    stream()
      .slice(0, 6)
      .map((line) => `${line}\n`)
      .join(""),
  );
  const context = watchedContext("");
  const emit = vi.fn<(typeof context)["emit"]>((event) => {
    if (event.type === "progress") context.abort.abort(new Error("interrupted"));
  });
  const options = {
    project,
    duration: "10min",
    load: "none",
    host: [`${board.address.user}@${formatAddress(board.address)}`],
    acceptNew: true as const,
    sshConfig: operator.settings.config ?? "",
  };
  await expect(measureBoard({ ...context, emit }, undefined, options)).rejects.toThrow("interrupted");
  while (!existsSync(join(board.root, "stopped"))) await sleep(20);
  expect(existsSync(join(project, "out"))).toBe(false);
});
