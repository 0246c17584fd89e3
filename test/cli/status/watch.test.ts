import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { readdirSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { shellQuote } from "../../../src/core/exec.ts";
import { rtkitRoot } from "../../../src/core/paths.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../../deploy/sshd.ts";
import { scratchDir } from "../../scratch.ts";

let operator: Operator;
let board: FakeBoard;
let temporary: string;
let child: ChildProcess | undefined;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  temporary = scratchDir("rtkit-tmp-");
});
afterEach(() => void child?.kill("SIGKILL"));

const STATS = {
  state: "running",
  periodUs: 1000,
  cycles: 5000,
  overruns: 3,
  minorFaults: 1,
  majorFaults: 0,
  involuntarySwitches: 0,
  collections: 0,
  wakeupMaxUs: 88.5,
  last: { cycles: 1000, overruns: 0, wakeupUs: { p50: 9, p99: 21, max: 40.2 } },
};
const IMU = { name: "imu", pid: 101, cpuPercent: 3.14, memoryKiB: 35_452, stats: STATS };
const STOPPED = { name: "planner", pid: null, cpuPercent: null, memoryKiB: null, stats: null };
const look = (...nodes: readonly object[]): string => JSON.stringify({ seconds: 1, nodes });

/** The board's launcher prints these lines, and then does that. */
function prints(lines: readonly string[], then = "exec sleep 600"): void {
  board.before(`
case $SSH_ORIGINAL_COMMAND in
'/usr/lib/rtnode/rt-launch show --watch') ;;
*) exit 126 ;;
esac
cat <<'END'
${lines.join("\n")}
END
${then}`);
}

function words(more: readonly string[] = []): string[] {
  const { user, host, port } = board.address;
  const where = ["--host", `${user}@${host}:${port}`, "--ssh-config", operator.settings.config ?? "", "--accept-new"];
  return [join(rtkitRoot, "bin/rtkit"), "status", "--watch", ...where, ...more];
}

/** Starts it without a terminal; each call waits for the next line. */
function watch(...more: string[]): () => Promise<string> {
  const [file = "", ...args] = words(more);
  child = spawn(file, args, { stdio: ["ignore", "pipe", "pipe"], env: { ...process.env, TMPDIR: temporary } });
  const lines = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return async () => String((await lines.next()).value);
}

async function ended(): Promise<number | null> {
  const [status] = (await once(child as ChildProcess, "exit")) as [number | null];
  return status;
}

/** Starts it on a terminal, types keys once a text is there, and returns all that was shown. */
async function onTerminal(until: string, keys: string): Promise<{ shown: string; status: number | null }> {
  const command = `${shellQuote(words())}; status=$?; stty -a; exit $status`;
  const env = { ...process.env, TMPDIR: temporary, SHELL: "/bin/sh" };
  const terminal = spawn(
    "script",
    ["--quiet", "--return", "--command", `stty cols 120 rows 30; ${command}`, "/dev/null"],
    { env },
  );
  child = terminal;
  let shown = "";
  let typed = false;
  terminal.stdout.setEncoding("utf8").on("data", (text: string) => {
    shown += text;
    if (!typed && shown.includes(until)) {
      typed = true;
      terminal.stdin.write(keys);
    }
  });
  const [status] = (await once(terminal, "close")) as [number | null];
  return { shown, status };
}

describe("rtkit status --watch", () => {
  it("prints a line for each node and look where there is no terminal; Ctrl-C ends it with 130 and leaves nothing", async () => {
    prints([look(IMU, STOPPED)]);
    const next = watch();
    expect(await next()).toMatch(
      /^\d\d:\d\d:\d\d \S+ imu 101 1000\.0 Hz, p50 9, p99 21, max 40, worst 89 us, 3 overruns, 1\+0 faults, cpu 3\.1 %, 34\.6 MiB$/,
    );
    expect(await next()).toMatch(/ planner does not run$/);
    child?.kill("SIGINT");
    expect(await ended()).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it("prints NDJSON for programs, and uses one command on the board", async () => {
    prints([look(IMU), look(IMU)]);
    const next = watch("--json");
    const { user: _, ...address } = board.address;
    expect(JSON.parse(await next())).toEqual({
      type: "look",
      host: `${address.host}:${address.port}`,
      seconds: 1,
      nodes: [IMU],
    });
    await next();
    expect(board.commands()).toEqual(["/usr/lib/rtnode/rt-launch show --watch"]);
  });

  it("finds a board again whose connection broke, as when it restarts", async () => {
    // sshd's process for this connection is above the shell's.
    const hangUp = `if [ ! -e '${board.root}/again' ]; then : >'${board.root}/again'; kill -9 $PPID; fi; exec sleep 600`;
    prints([look(IMU)], hangUp);
    const next = watch("--json");
    expect(JSON.parse(await next())).toMatchObject({ type: "look" });
    expect(JSON.parse(await next())).toMatchObject({ type: "away", reason: expect.stringContaining("trying again") });
    expect(JSON.parse(await next())).toMatchObject({ type: "look", nodes: [{ name: "imu" }] });
  });

  it("ends when nobody reads any more", async () => {
    prints([look(IMU)], "while :; do sleep 0.2; echo '" + look(IMU) + "'; done");
    const next = watch("--json");
    await next();
    child?.stdout?.destroy();
    expect(await ended()).toBe(130);
    expect(readdirSync(temporary)).toEqual([]);
  });

  it.each([
    ["a launcher that is older", "echo 'rt-launch: show: the usage is' >&2; exit 125", "RTK_DEPLOY_BOARD_OLD"],
    ["no launcher", "echo 'sh: rt-launch: not found' >&2; exit 127", "RTK_DEPLOY_NO_RTNODECTL"],
  ])("ends with 1 where there is %s", async (_, then, code) => {
    board.before(then);
    expect(JSON.parse(await watch("--json")())).toMatchObject({ type: "error", code });
    expect(await ended()).toBe(1);
  });

  it.each([
    ["no JSON", "hello"],
    ["other nodes than there can be", look({ ...IMU, pid: "x" })],
    ["a name that is too long", look({ ...IMU, name: "x".repeat(64) })],
  ])("ends with RTK_DEPLOY_ANSWER on %s", async (_, line) => {
    prints([look(IMU), line]);
    const next = watch("--json");
    await next();
    expect(JSON.parse(await next())).toMatchObject({ type: "error", code: "RTK_DEPLOY_ANSWER" });
    expect(await ended()).toBe(1);
  });

  it("on a terminal shows a table in place of the one before; q ends it with 0 and the terminal is as it was", async () => {
    prints([look(IMU, STOPPED), look({ ...IMU, memoryKiB: 40_960 }, STOPPED)]);
    const { shown, status } = await onTerminal("40.0", "q");
    expect(status).toBe(0);
    expect(shown).toMatch(
      /NAME +PID +RATE\/HZ +P50\/US +P99\/US +MAX\/US +WORST\/US +OVERRUNS +FAULTS +CPU\/% +MEMORY\/MIB/,
    );
    expect(shown).toMatch(/imu +101 +1000\.0 +9 +21 +40 +89 +3 +1\+0 +3\.1 +34\.6/);
    expect(shown).toMatch(/planner +- +-/);
    // Up over the lines before; and in the end the cursor is there again, keys are shown and come as lines.
    // oxlint-disable-next-line no-control-regex
    expect(shown).toMatch(/\u001b\[\d+A/);
    expect(shown.lastIndexOf("\u001b[?25h")).toBeGreaterThan(shown.lastIndexOf("\u001b[?25l"));
    expect(shown).toMatch(/(?<!-)\bicanon\b/);
    expect(shown).toMatch(/(?<!-)\becho\b/);
  });

  it("on a terminal Ctrl-C ends it with 130, and the terminal is as it was", async () => {
    prints([look(IMU)]);
    const { shown, status } = await onTerminal("imu", "\u0003");
    expect(status).toBe(130);
    expect(shown).toMatch(/(?<!-)\bicanon\b/);
    expect(readdirSync(temporary)).toEqual([]);
  });
});
