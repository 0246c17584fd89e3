import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatAddress } from "../../src/deploy/address.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../deploy/sshd.ts";
import { scratchDir } from "../scratch.ts";

/** What `--watch` prints with --json. */
interface Line {
  readonly type: string;
  readonly release?: string;
  readonly targets?: readonly { ok: boolean; rolledBack: boolean | null; reason: string | null }[];
  readonly code?: string;
  readonly message?: string;
  readonly line?: string;
}

let operator: Operator;
let board: FakeBoard;
let project: string;
let temporary: string;
let child: ChildProcess;
let lines: Line[];
let text: string;
let heard: PromiseWithResolvers<void>;

beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  project = join(scratchDir("rtkit-watched-"), "robot");
  temporary = scratchDir("rtkit-tmp-");
  mkdirSync(join(project, "nodes"), { recursive: true });
  writeFileSync(join(project, "package.json"), '{"type":"module"}');
  planner("1");
  configure("");
});
afterEach(() => void child.kill("SIGKILL"));

function configure(more: string): void {
  const node = "{ entry: nodes/planner.ts, schedule: { policy: fifo, priority: 40, cpus: [3] } }";
  writeFileSync(join(project, "rtkit.yaml"), `name: arm\nboard: qemu-arm64\nnodes: { planner: ${node} }\n${more}`);
}

function planner(value: string): void {
  writeFileSync(join(project, "nodes/planner.ts"), `console.log("planner", ${value});\n`);
}

/** As editors save: beside it, then in its place. */
function replacePlanner(value: string): void {
  writeFileSync(join(project, "nodes/.planner.ts.swp"), `console.log("planner", ${value});\n`);
  renameSync(join(project, "nodes/.planner.ts.swp"), join(project, "nodes/planner.ts"));
}

function watch(...words: string[]): void {
  lines = [];
  text = "";
  heard = Promise.withResolvers();
  const { user } = board.address;
  const script = join(rtkitRoot, "test/fixtures/deploy/watch.ts");
  const host = `${user}@${formatAddress(board.address)}`;
  child = spawn(process.execPath, [script, project, host, operator.settings.config ?? "", ...words], {
    env: { ...process.env, TMPDIR: temporary, RTKIT_CACHE: scratchDir("rtkit-cache-") },
    stdio: ["ignore", "pipe", "pipe"],
  });
  const hear = (chunk: string): void => {
    text += chunk;
    heard.resolve();
    heard = Promise.withResolvers();
  };
  let rest = "";
  child.stderr?.setEncoding("utf8").on("data", hear);
  child.stdout?.setEncoding("utf8").on("data", (chunk: string) => {
    const whole = `${rest}${chunk}`.split("\n");
    rest = whole.pop() ?? "";
    if (words.includes("--json")) lines.push(...whole.map((line) => JSON.parse(line) as Line));
    hear(chunk);
  });
  const started = child;
  // The one of the test before may take until now to be gone.
  started.once("exit", () => started === child && hear("\n(it ended)\n"));
}

/** Waits for the next line that is as asked, and forgets those before it. */
async function next(isIt: (line: Line) => boolean): Promise<Line> {
  for (;;) {
    const index = lines.findIndex(isIt);
    const found = lines[index];
    if (found !== undefined) {
      lines.splice(0, index + 1);
      return found;
    }
    if (text.includes("(it ended)")) throw new Error(text);
    await heard.promise;
  }
}

const deploy = async (): Promise<Line> => next(({ type }) => type === "deploy");

async function said(words: string): Promise<void> {
  while (!text.includes(words)) {
    if (text.includes("(it ended)")) throw new Error(text);
    await heard.promise;
  }
}

async function interrupt(): Promise<number | null> {
  child.kill("SIGINT");
  const [status] = (await once(child, "exit")) as [number | null];
  return status;
}

function bundle(): string {
  return readFileSync(join(board.root, "opt/rtnode/current/nodes/planner.mjs"), "utf8");
}

it("deploys on every save, also one that replaces the file, through one connection; Ctrl-C leaves nothing", async () => {
  watch("--json");
  expect(await deploy()).toMatchObject({ targets: [{ ok: true }] });
  planner("2");
  expect(await deploy()).toMatchObject({ targets: [{ ok: true, rolledBack: false }] });
  expect(bundle()).toContain('("planner", 2)');
  for (const value of ["3", "4"]) {
    replacePlanner(value);
    expect(await deploy()).toMatchObject({ targets: [{ ok: true }] });
    expect(bundle()).toContain(`("planner", ${value})`);
  }
  board.log("planner[103]: goes on");
  expect(await next(({ type }) => type === "log")).toMatchObject({ line: "planner[103]: goes on" });
  expect(readdirSync(temporary).filter((name) => name.startsWith("rtkit-ssh-"))).toHaveLength(1);
  expect(await interrupt()).toBe(130);
  expect(readdirSync(temporary).filter((name) => name.startsWith("rtkit-ssh-"))).toEqual([]);
  expect((await exec("ps", ["-eo", "args"])).stdout).not.toContain(temporary);
});

it("shows a mistake in the sources or in rtkit.yaml, and goes on when it is mended", async () => {
  watch("--json");
  await deploy();
  planner("(");
  expect(await next(({ type }) => type === "error")).toMatchObject({ code: "RTK_BUNDLE_SYNTAX" });
  planner("2");
  await deploy();
  expect(bundle()).toContain('("planner", 2)');
  configure("bord: rpi4\n");
  expect(await next(({ type }) => type === "error")).toMatchObject({ code: "RTK_CONFIG_UNKNOWN_KEY" });
  configure("deploy: { health: 'true' }\n");
  planner("3");
  await deploy();
  expect(bundle()).toContain('("planner", 3)');
});

it("a board that is not well goes back, and the next save may be better", async () => {
  configure(`deploy: { health: '! grep -q 13 nodes/planner.ts || { echo "thirteen is bad luck"; false; }' }\n`);
  watch("--json");
  await deploy();
  planner("13");
  const failed = await deploy();
  expect(failed.targets).toMatchObject([{ ok: false, rolledBack: true, code: "RTK_DEPLOY_HEALTH" }]);
  expect(failed.targets?.[0]?.reason).toContain("thirteen is bad luck");
  expect(bundle()).toContain('("planner", 1)');
  planner("14");
  expect(await deploy()).toMatchObject({ targets: [{ ok: true }] });
  expect(bundle()).toContain('("planner", 14)');
});

it("a save during a deploy is deployed after it", async () => {
  const [waits, goOn] = [join(board.root, "waits"), join(board.root, "go-on")];
  watch("--json");
  await deploy();
  board.before(
    `case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) : >'${waits}'; until [ -f '${goOn}' ]; do sleep 0.02; done;; esac`,
  );
  planner("2");
  while (!existsSync(waits)) await exec("sleep", ["0.02"]);
  planner("3");
  planner("4");
  await next(({ type, message }) => type === "warning" && message?.includes("planner.ts saved") === true);
  writeFileSync(goOn, "");
  await deploy();
  await deploy();
  expect(bundle()).toContain('("planner", 4)');
});

it("makes a broken connection again, and deploys what it could not", async () => {
  watch("--json");
  await deploy();
  const server = board.address.port;
  board.before('case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) kill -9 "$PPID"; exit 1;; esac');
  planner("2");
  expect(await deploy()).toMatchObject({ targets: [{ ok: false, code: "RTK_SSH_LOST" }] });
  board.before("");
  const lost = await next(({ type }) => type === "warning");
  expect(lost.message).toMatch(`the connection to 127.0.0.1:${server} was lost; trying again every 5 s`);
  expect(await deploy()).toMatchObject({ targets: [{ ok: true }] });
  expect(bundle()).toContain('("planner", 2)');
});

it("runs the project's check before the first deploy only, and not with --skip-checks", async () => {
  const ran = join(project, "../ran");
  configure(`deploy: { check: 'echo checking; echo run >>${ran}' }\n`);
  watch();
  await said("is active (before: none)");
  expect(text).toContain("checking\n");
  text = "";
  planner("2");
  await said("is active (before: ");
  expect(text).toContain("==> nodes/planner.ts saved: built");
  expect(readFileSync(ran, "utf8")).toBe("run\n");
  await interrupt();
  configure(`deploy: { check: 'echo checking; false' }\n`);
  watch();
  await once(child, "close");
  expect(text).toContain("the project's check failed: echo checking; false ended with 1; its last lines:\n  checking");
  expect(text).toContain("RTK_DEPLOY_CHECK");
  expect(child.exitCode).toBe(1);
  watch("--skip-checks");
  await said("is active already");
});

it("goes on without the log where the user may not read it, and ends all the same", async () => {
  board.before("case $SSH_ORIGINAL_COMMAND in journalctl*) echo 'insufficient permissions' >&2; exit 1;; esac");
  watch("--json");
  expect(await next(({ type }) => type === "error")).toMatchObject({ code: "RTK_DEPLOY_LOGS" });
  expect(await deploy()).toMatchObject({ targets: [{ ok: true }] });
  expect(await interrupt()).toBe(130);
});
