import { chmodSync, copyFileSync, realpathSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, deviceDir, launch, run, scheduling, unprivileged } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/** Debian's own: a `python3` in PATH may be a script of a version manager. */
const python = "/usr/bin/python3";
const node = realpathSync(process.execPath);

beforeAll(buildDevicePrograms);

/** Whether this user may lock some 100 MB, asked of the kernel without our library. */
async function mayLock(): Promise<boolean> {
  const script = "import ctypes,mmap,sys\nm=mmap.mmap(-1,1<<30)\nsys.exit(ctypes.CDLL(None).mlockall(3))";
  return (await run([python, "-c", script])).status === 0;
}

/** Runs a script under --lock-memory; when this user may not lock memory the refusal is what must come. */
async function locked(words: string[], check: (stdout: string) => void): Promise<void> {
  const outcome = await launch("--lock-memory", "--stack", "524288", "--heap", "16777216", "--", ...words);
  if (await mayLock()) {
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    check(outcome.stdout);
  } else {
    expect(outcome).toMatchObject({ status: 125, stdout: "" });
    expect(outcome.stderr).toMatch(/^rt-launch: mlockall: .*RLIMIT_MEMLOCK is \d+ bytes.*\n$/);
  }
}

describe("memory stays locked", () => {
  test("in Python while it allocates and frees, from the first line on", async () => {
    const script = `
import gc
def locked():
    return next(int(line.split()[1]) for line in open("/proc/self/status") if line.startswith("VmLck"))
first = locked()
for _ in range(20):
    kept = [bytearray(100_000) for _ in range(100)] + [{"n": i} for i in range(10_000)]
    kept = None
    gc.collect()
print(first, locked())`;
    await locked([python, "-c", script], (stdout) => {
      const [first = 0, last = 0] = stdout.split(" ").map(Number);
      // The heap that was touched is in it.
      expect(first).toBeGreaterThan(16 * 1024);
      expect(last).toBeGreaterThanOrEqual(first);
    });
  });

  test("in Node.js while V8 allocates and collects: it gives pages back, and must not abort", async () => {
    const script = `
      for (let round = 0; round < 30; round++) {
        let kept = [];
        for (let i = 0; i < 50_000; i++) kept.push({ i, text: "x" + i, data: i % 500 ? null : Buffer.alloc(100_000) });
        kept = null;
        globalThis.gc();
      }
      console.log(/VmLck:\\s*(\\d+)/.exec(require("fs").readFileSync("/proc/self/status", "utf8"))[1]);`;
    await locked([node, "--expose-gc", "-e", script], (stdout) => expect(Number(stdout)).toBeGreaterThan(16 * 1024));
  });

  test("of the main thread's scheduling nothing goes to Node's helper threads", async () => {
    const script = `
      const fs = require("fs");
      for (const thread of fs.readdirSync("/proc/self/task"))
        console.log(fs.readFileSync("/proc/self/task/" + thread + "/stat", "latin1"));`;
    const words = ["--policy", "fifo", "--priority", "10", "--warn", node, "-e", script];
    const outcome = await launch(...words);
    const threads = outcome.stdout.trim().split("\n").filter(Boolean).map(scheduling);
    expect(threads.length).toBeGreaterThan(3);
    // With --warn the main thread has the policy if this user may have it; the others never do.
    const main = outcome.stderr.includes("sched_setattr") ? { policy: 0 } : { policy: 1, priority: 10 };
    expect(threads[0]).toMatchObject(main);
    for (const helper of threads.slice(1)) expect(helper).toMatchObject({ policy: 0, priority: 0 });
  });

  test("what the program starts inherits neither the library nor its settings", async () => {
    const outcome = await run([join(deviceDir, "rt-launch"), "--lock-memory", "--warn", "sh", "-c", "env; true"], {
      LD_PRELOAD: "",
    });
    expect(outcome.status).toBe(0);
    expect(outcome.stdout).not.toMatch(/LD_PRELOAD=.*librtnode|RTNODE_(LOCK|STACK|HEAP)/);
    expect(outcome.stdout).toContain("RTNODE_LAUNCHED=1");
  });
});

describe("no lock is faked", () => {
  test("a limit that is too low is named, and the program does not start", async () => {
    const command = [...unprivileged(["--memlock=65536:65536"]), "--lock-memory", "--", "/bin/echo", "started"];
    expect(await run(command)).toMatchObject({
      status: 125,
      stdout: "",
      stderr:
        "rt-launch: mlockall: Cannot allocate memory: RLIMIT_MEMLOCK is 65536 bytes, the program has more; " +
        "join group realtime and log in again, or set LimitMEMLOCK=infinity in the unit\n",
    });
  });

  test("with --warn it starts without the lock, and says so", async () => {
    const command = [
      ...unprivileged(["--memlock=65536:65536"]),
      "--warn",
      "--lock-memory",
      "--",
      "/bin/echo",
      "started",
    ];
    const outcome = await run(command);
    expect(outcome).toMatchObject({ status: 0, stdout: "started\n" });
    expect(outcome.stderr).toMatch(/^rt-launch: warning: mlockall: /);
  });

  test("a static program cannot be preloaded", async () => {
    const launcher = join(deviceDir, "rt-launch");
    expect(await launch("--lock-memory", launcher, "--version")).toMatchObject({
      status: 125,
      stderr:
        `rt-launch: ${launcher}: memory cannot be locked: it is statically linked, so librtnode.so cannot be preloaded; ` +
        "let it call mlockall(2) itself and leave out lock-memory\n",
    });
  });

  test("a library in a folder with a space, where ld.so(8) separates", async () => {
    const dir = scratchDir("a space ");
    for (const name of ["rt-launch", "librtnode.so"]) copyFileSync(join(deviceDir, name), join(dir, name));
    // The search through PATH fails once before, and leaves an errno behind.
    const outcome = await run([join(dir, "rt-launch"), "--lock-memory", "true"], { PATH: "/no/such:/usr/bin" });
    expect(outcome).toMatchObject({
      status: 125,
      stderr: `rt-launch: ${dir}/librtnode.so: memory cannot be locked: a colon or space in its path\n`,
    });
  });

  test.each([
    [
      "#!/usr/bin/env python3\n",
      "it is started through env(1), and a lock does not survive exec; name the interpreter",
    ],
    ["#! /no/such/interpreter\n", "No such file or directory"],
    ["just text\n", "it is no 64-bit ELF program"],
  ])("a file that starts with %j", async (text, reason) => {
    const file = join(scratchDir("librtnode-"), "program");
    writeFileSync(file, text);
    chmodSync(file, 0o755);
    const outcome = await launch("--lock-memory", file);
    expect(outcome).toMatchObject({ status: 125, stdout: "" });
    expect(outcome.stderr).toContain(`memory cannot be locked: ${reason}`);
  });

  test("a library that is not there", async () => {
    const outcome = await launch("--lock-memory", "--library", "/no/such/library.so", "true");
    expect(outcome).toMatchObject({
      status: 125,
      stderr: "rt-launch: /no/such/library.so: memory cannot be locked: No such file or directory\n",
    });
  });
});
