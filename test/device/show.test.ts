import * as fc from "fast-check";
import { execa } from "execa";
import { existsSync, readFileSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, deviceDir, launcherNames, launchers, mayBeRealtime, run } from "./support.ts";
import { scheduling, unprivileged } from "./support.ts";

interface Scheduling {
  readonly name: string;
  readonly policy: string;
  readonly priority: number;
  readonly nice: number;
  readonly resetOnFork: boolean;
  readonly deadline: null | { readonly runtimeNs: number; readonly deadlineNs: number; readonly periodNs: number };
  readonly cpus: string | null;
  readonly timerSlackNs: number | null;
}

/** What `rt-launch show --json` prints. */
interface Shown extends Scheduling {
  readonly pid: number;
  readonly kind: string;
  readonly lockedKiB: number | null;
  readonly thpDisabled: boolean | null;
  readonly noNewPrivileges: boolean | null;
  readonly effectiveCapabilities: string | null;
  readonly limits: Record<string, null | { readonly soft: number | string; readonly hard: number | string }>;
  readonly threads: readonly (Scheduling & { readonly tid: number })[];
}

await buildDevicePrograms();
const realtime = await mayBeRealtime();
const root = process.getuid?.() === 0;
const started: { kill: (signal: "SIGKILL") => boolean }[] = [];
afterAll(() => {
  for (const child of started) child.kill("SIGKILL");
});

/** Starts a program, which is stopped when this file is done. */
function spawn(file: string, args: readonly string[]) {
  const child = execa(file, args, { reject: false, buffer: false });
  started.push(child);
  return child;
}

/** Starts a program that prints a line when it is ready and then waits; gives back its pid and the line. */
async function start(
  file: string,
  ...args: string[]
): Promise<{ pid: number; line: string; child: ReturnType<typeof spawn> }> {
  const child = spawn(file, args);
  const line = await new Promise<string>((resolve) =>
    child.stdout?.once("data", (text) => resolve(String(text).trim())),
  );
  return { pid: child.pid ?? 0, line, child };
}

/** Python that does something, prints `line` and waits. Debian's own: a `python3` in PATH may be another program's script. */
function startPython(script: string): ReturnType<typeof start> {
  const words = [
    "import os, sys, threading, time",
    "line = 'ready'",
    script,
    "print(line, flush=True)",
    "time.sleep(600)",
  ];
  return start("/usr/bin/python3", "-c", words.join("\n"));
}

/** A file of a process, as text. */
const proc = (pid: number | string, file: string): string => readFileSync(`/proc/${pid}/${file}`, "latin1");
const statusOf = (pid: number | string, key: string): string | undefined =>
  new RegExp(`^${key}:\\s*(.*)$`, "m").exec(proc(pid, "status"))?.[1];

const gone = (pid: string): string => `rt-launch: show: there is no process ${pid}\n`;

describe.each(launcherNames)("%s show", (name) => {
  const launch = launchers[name];
  const show = async (pid: number): Promise<Shown> => {
    const outcome = await launch("show", "--json", String(pid));
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    return JSON.parse(outcome.stdout) as Shown;
  };

  test("says what /proc says, of the process and of each thread in order", async () => {
    const shown = await show(process.pid);
    const numbers = readdirSync(`/proc/${process.pid}/task`).map(Number);
    expect(shown.threads.map(({ tid }) => tid)).toEqual(numbers.toSorted((a, b) => a - b));
    for (const { tid, name: threadName, policy, priority, nice, cpus } of shown.threads) {
      const stat = scheduling(proc(`${process.pid}/task/${tid}`, "stat"));
      expect({ policy, priority, nice }).toEqual({ ...stat, policy: stat.policy === 0 ? "other" : "batch" });
      expect(cpus).toBe(statusOf(tid, "Cpus_allowed_list"));
      expect(`${threadName}\n`).toBe(proc(`${process.pid}/task/${tid}`, "comm"));
    }
    const { threads, limits, ...own } = shown;
    expect(own).toMatchObject({
      pid: process.pid,
      kind: "program",
      policy: "other",
      deadline: null,
      resetOnFork: false,
    });
    expect(own.lockedKiB).toBe(Number.parseInt(statusOf(process.pid, "VmLck") ?? "", 10));
    expect(own.thpDisabled).toBe(statusOf(process.pid, "THP_enabled") === "0");
    expect(own.noNewPrivileges).toBe(statusOf(process.pid, "NoNewPrivs") === "1");
    expect(own.effectiveCapabilities).toBe(statusOf(process.pid, "CapEff"));
    expect(threads.find(({ tid }) => tid === process.pid)).toMatchObject({ name: own.name, cpus: own.cpus });
    const prlimit = (await run(["prlimit", "--pid", String(process.pid), "--raw", "--noheadings"])).stdout;
    for (const [resource, limit] of Object.entries(limits)) {
      const row = prlimit.split("\n").find((line) => line.startsWith(`${resource.toUpperCase()} `));
      expect(row, resource).toContain(` ${limit?.soft} ${limit?.hard}`);
    }
    expect(Object.keys(limits)).toEqual(["rtprio", "nice", "rttime", "memlock", "stack", "core"]);
  });

  test("says what rt-launch gave", async () => {
    const words = ["--policy=batch", "--nice=7", "--cpus=0", "--rttime=5ms", "--", "sh", "-c", "echo ready; read line"];
    const { pid } = await start(join(deviceDir, "rt-launch"), ...words);
    expect(await show(pid)).toMatchObject({
      name: "sh",
      policy: "batch",
      priority: 0,
      nice: 7,
      resetOnFork: true,
      cpus: "0",
      lockedKiB: 0,
      limits: { rttime: { soft: 5000, hard: 10_000 } },
    });
  });

  test.skipIf(!realtime).each([
    { words: ["--policy=fifo", "--priority=10"], want: { policy: "fifo", priority: 10, resetOnFork: true } },
    { words: ["--policy=rr", "--priority=11", "--no-reset-on-fork"], want: { policy: "rr", resetOnFork: false } },
  ])("says what rt-launch gave: $words", async ({ words, want }) => {
    const { pid } = await start(join(deviceDir, "rt-launch"), ...words, "--", "sh", "-c", "echo ready; read line");
    const shown = await show(pid);
    expect(shown).toMatchObject({ ...want, thpDisabled: true, limits: { core: { soft: 0, hard: 0 } } });
    // Some kernels have none for real-time threads and say so.
    if (root) expect([0, 1]).toContain(shown.timerSlackNs);
  });

  test.skipIf(!realtime || !root)("says the times of a deadline thread, also to people", async () => {
    const words = ["--policy=deadline", "--runtime=1ms", "--deadline=10ms", "--period=20ms"];
    const { pid } = await start(join(deviceDir, "rt-launch"), ...words, "--", "sh", "-c", "echo ready; read line");
    const deadline = { runtimeNs: 1_000_000, deadlineNs: 10_000_000, periodNs: 20_000_000 };
    expect(await show(pid)).toMatchObject({ policy: "deadline", deadline });
    const { stdout } = await launch("show", String(pid));
    expect(stdout).toContain("(runtime 1000000 ns, deadline 10000000 ns, period 20000000 ns)\n");
  });

  test("threads differ", async () => {
    const { pid, line } = await startPython(`
def other():
    os.sched_setscheduler(0, os.SCHED_BATCH, os.sched_param(0))
    os.sched_setaffinity(0, {0})
    open(f"/proc/self/task/{threading.get_native_id()}/comm", "wb").write(b"helper")
    ready.set()
    time.sleep(600)
ready = threading.Event()
thread = threading.Thread(target=other, daemon=True)
thread.start()
ready.wait()
line = str(thread.native_id)`);
    const { threads, policy } = await show(pid);
    expect(policy).toBe("other");
    expect(threads.map(({ tid }) => tid)).toEqual([pid, Number(line)]);
    expect(threads[1]).toMatchObject({ name: "helper", policy: "batch", cpus: "0" });
  });

  test("a name may be any bytes: JSON and table stay whole", async () => {
    const script = `
import sys
for line in sys.stdin:
    open("/proc/self/comm", "wb").write(bytes.fromhex(line))
    print("ready", flush=True)`;
    const child = spawn("/usr/bin/python3", ["-c", script]);
    const rename = (bytes: Uint8Array): Promise<unknown> => {
      child.stdin?.write(`${Buffer.from(bytes).toString("hex")}\n`);
      return new Promise((resolve) => child.stdout?.once("data", resolve));
    };
    const bytes = fc.uint8Array({ min: 1, max: 255, minLength: 1, maxLength: 15 });
    const tricky = fc
      .constantFrom('"pid":1,"a', "a) R 1 (\n", '\\"\\', "\n\n", "\u009b1m", "%s%n")
      .map((text) => Uint8Array.from(Buffer.from(text, "latin1")));
    await fc.assert(
      fc.asyncProperty(fc.oneof(bytes, tricky), async (text) => {
        await rename(text);
        const printable = Buffer.from(text)
          .toString("latin1")
          .replace(/[^ -~]/g, "?");
        const shown = await show(child.pid ?? 0);
        expect(shown.name).toBe(printable);
        expect(shown.threads[0]?.name).toBe(printable);
        const { stdout } = await launch("show", String(child.pid));
        expect(stdout).toMatch(/^[ -~\n]*$/);
        expect(stdout).toContain(`${child.pid} ${printable}: 0 KiB locked`);
      }),
      { numRuns: 25 },
    );
  });

  test("a process that has ended and was not asked for its status", async () => {
    const { line } = await startPython(`
line = str(os.fork() or os._exit(0))
time.sleep(0.1)`);
    const shown = await show(Number(line));
    expect(shown).toMatchObject({ kind: "ended", lockedKiB: null, thpDisabled: null, policy: "other" });
    expect(shown.threads).toHaveLength(1);
    expect((await launch("show", line)).stdout).toContain(`${line} python3: it has ended`);
  });

  test("a main thread that has ended while others go on: memory and rights are the others'", async () => {
    const { pid } = await startPython(`
def wait():
    print(line, flush=True)
    time.sleep(600)
threading.Thread(target=wait).start()
import ctypes, platform
ctypes.CDLL(None).syscall(60 if platform.machine() == "x86_64" else 93, 0)`);
    const shown = await show(pid);
    expect(shown).toMatchObject({ pid, kind: "program", lockedKiB: 0, noNewPrivileges: false });
    expect(shown.threads).toHaveLength(2);
  });

  test.skipIf(!existsSync("/proc/2") || proc(2, "comm") !== "kthreadd\n")("a thread of the kernel", async () => {
    expect(await show(2)).toMatchObject({ name: "kthreadd", kind: "kernel", lockedKiB: null, thpDisabled: null });
    expect((await launch("show", "2")).stdout).toContain("2 kthreadd: a thread of the kernel");
  });

  test("processes that end while they are looked at: the whole answer, or that there is none", async () => {
    const script = "while :; do (sleep 0.01 & echo $!; wait) 2>/dev/null; done";
    const child = spawn("sh", ["-c", script]);
    const seen = new Set<number | undefined>();
    for (let round = 0; round < 60; round += 1) {
      const pid = await new Promise<string>((resolve) =>
        child.stdout?.once("data", (text) => resolve(String(text).trim().split("\n").at(-1) ?? "")),
      );
      const { status, stdout, stderr } = await launch("show", "--json", pid);
      seen.add(status);
      if (status === 0) expect(JSON.parse(stdout)).toMatchObject({ pid: Number(pid), threads: [{ tid: Number(pid) }] });
      else expect({ status, stdout, stderr }).toEqual({ status: 1, stdout: "", stderr: gone(pid) });
    }
    child.kill("SIGKILL");
    expect(seen.size).toBeGreaterThan(0);
  });

  test("threads that come and go", async () => {
    const { pid } = await startPython(`
def churn():
    while True:
        thread = threading.Thread(target=time.sleep, args=(0.0002,))
        thread.start()
        thread.join()
threading.Thread(target=churn, daemon=True).start()`);
    for (let round = 0; round < 30; round += 1) {
      const { threads } = await show(pid);
      expect(threads.length).toBeGreaterThanOrEqual(2);
      expect(threads.map(({ tid }) => tid)).toEqual(threads.map(({ tid }) => tid).toSorted((a, b) => a - b));
    }
  });

  test("a process that is not there", async () => {
    const { pid, child } = await start("sh", "-c", "echo ready");
    await child;
    expect(await launch("show", String(pid))).toMatchObject({ status: 1, stdout: "", stderr: gone(String(pid)) });
  });

  test("a thread is not a process", async () => {
    const thread = readdirSync(`/proc/${process.pid}/task`).find((tid) => Number(tid) !== process.pid) ?? "";
    expect(await launch("show", thread)).toMatchObject({
      status: 125,
      stdout: "",
      stderr: `rt-launch: show: ${thread} is a thread of process ${process.pid}: ask for that one\n`,
    });
  });

  test("several: a line of JSON for each that is there", async () => {
    const first = await startPython("threading.Thread(target=time.sleep, args=(60,), daemon=True).start()");
    const second = await start("sh", "-c", "echo ready; read line");
    const { pid: ended, child } = await start("sh", "-c", "echo ready");
    await child;
    const pids = [first.pid, ended, second.pid];
    const { status, stdout, stderr } = await launch("show", "--json", ...pids.map(String));
    expect({ status, stderr }).toEqual({ status: 1, stderr: gone(String(ended)) });
    const lines = stdout
      .trimEnd()
      .split("\n")
      .map((line): Shown => JSON.parse(line));
    expect(lines.map(({ pid, threads }) => [pid, threads.length])).toEqual([
      [first.pid, 2],
      [second.pid, 1],
    ]);
    const text = (await launch("show", ...pids.map(String))).stdout;
    expect(text).toMatch(new RegExp(`^${first.pid} [^]*\n\n${second.pid} `));
  });

  test.each([[[]], [["--json"]]])("usage: %j", async (words) => {
    const stderr = "rt-launch: show: the usage is rt-launch show [--json [--bins]] PID... | show --watch\n";
    expect(await launch("show", ...words)).toMatchObject({ status: 125, stdout: "", stderr });
  });

  test.each(["--text", "0", "-1", "+1", "x", "1x", "", " 1", "2147483648", "99999999999999999999"])(
    "no pid: %j",
    async (word) => {
      const stderr = `rt-launch: show: '${word}' is no process id\n`;
      expect(await launch("show", word)).toMatchObject({ status: 125, stdout: "", stderr });
    },
  );
});

test("to people: the process, its limits, a line per thread", async () => {
  const { pid } = await start("sh", "-c", "echo ready; read line");
  const { stdout, status } = await launchers["rt-launch"]("show", String(pid));
  expect(status).toBe(0);
  const huge = statusOf(pid, "THP_enabled") === "1" ? "on" : "off";
  const blocks = stdout.split("\n\n").map((block) =>
    block
      .trimEnd()
      .split("\n")
      .map((line) => line.trim().split(/ +/)),
  );
  expect(stdout).toMatch(new RegExp(`^${pid} sh: 0 KiB locked, transparent huge pages ${huge}`));
  expect(blocks[1]?.map(([limit]) => limit)).toEqual(["LIMIT", "rtprio", "nice", "rttime", "memlock", "stack", "core"]);
  expect(blocks[2]?.[0]).toEqual(["TID", "NAME", "POLICY", "PRIORITY", "NICE", "RESET", "SLACK/NS", "CPUS"]);
  const cpus = statusOf(pid, "Cpus_allowed_list");
  expect(blocks[2]?.slice(1)).toEqual([[String(pid), "sh", "other", "0", "0", "no", expect.any(String), cpus]]);
});

test("an ordinary user sees of others all but the timer slack", async () => {
  const { pid } = await start("sh", "-c", "echo ready; read line");
  const { stdout: whole } = await launchers["rt-launch"]("show", "--json", String(pid));
  const { stdout, status, stderr } = await run([...unprivileged([]), "show", "--json", String(pid)]);
  expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
  expect(stdout).toBe(whole.replace(/"timerSlackNs":\d+/g, '"timerSlackNs":null'));
});

test("what cannot be written is said", async () => {
  const command = `"$0" show --json $$ >/dev/full`;
  expect(await run(["sh", "-c", command, join(deviceDir, "rt-launch")])).toMatchObject({
    status: 125,
    stderr: "rt-launch: show: write: standard output: No space left on device\n",
  });
});
