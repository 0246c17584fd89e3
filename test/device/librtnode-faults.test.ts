import { readdirSync, rmSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith } from "./compile.ts";
import { answersOf, drive } from "./driver.ts";
import { canTrace, withFault } from "./faults.ts";
import type { Fault } from "./faults.ts";
import { listen } from "./notify.ts";
import { buildDevicePrograms, deviceDir, run } from "./support.ts";

let program = "";
beforeAll(async () => {
  await buildDevicePrograms();
  program = await compileWith("librtnode.so", ["driver.c"]);
});

/** The driver's answers to commands while one of its system calls fails, and the runtime directory that it had. */
async function faulty(
  commands: readonly string[],
  fault: Fault,
  env = {},
): Promise<{ answers: string[]; dir: string }> {
  let dir = "";
  const outcome = await withFault(
    {
      words: [program],
      env: () => ({ RTNODE_RUNTIME_DIR: (dir = scratchDir("rtnode-fault-")), ...env }),
      input: commands.map((command) => `${command}\n`).join(""),
    },
    fault,
  );
  expect(outcome).toMatchObject({ status: 0, stderr: "" });
  return { answers: outcome.stdout.trim().split("\n"), dir };
}

describe.skipIf(!(await canTrace()))("a system call that fails is told to the caller:", () => {
  test.each([
    { call: /^prlimit64\(0, RLIMIT_RTTIME, \{/, error: "EPERM" },
    { call: /^prlimit64\(0, RLIMIT_RTTIME, NULL/, error: "EFAULT" },
    { call: /^socket\(AF_UNIX/, error: "EMFILE" },
    { call: /^connect\(/, error: "ECONNREFUSED" },
    // That of the helper's stack, as pthread_create(3) has it.
    { call: /^mmap\(.*MAP_STACK/, error: "ENOMEM", answer: "EAGAIN" },
    { call: /^clone3?\(/, error: "EAGAIN" },
    { call: /^sched_setscheduler\(/, error: "EPERM" },
    { call: /^sendto\(.*READY=1/, error: "ENOBUFS" },
  ])("rtnode_ready, $call: $error", async ({ call, error, answer = error }) => {
    const { name } = await listen(join(scratchDir("rtnode-notify-"), "socket"));
    const env = { NOTIFY_SOCKET: name, RTNODE_RTTIME: "5000" };
    expect((await faulty(["ready", "stopping"], { call, error }, env)).answers).toEqual([answer, "0"]);
  });

  test.each([
    { call: /^open(at)?\(.*\.new"/, error: "EACCES" },
    { call: /^fallocate\(/, error: "ENOSPC" },
    { call: /^mmap\(NULL, \d+, .*MAP_SHARED/, error: "ENOMEM" },
    { call: /^rename(at2?)?\(/, error: "EACCES" },
  ])("rtnode_count_begin, $call: $error; it counts all the same, and leaves no file", async ({ call, error }) => {
    const { answers, dir } = await faulty(["begin a", "alive", "end"], { call, error });
    expect(answers).toEqual([error, "0", expect.stringContaining('"cycles":1')]);
    expect(readdirSync(dir)).toEqual([]);
  });

  test.each([
    {
      call: /^getrusage\(/,
      error: "EINVAL",
      answers: ["EINVAL", "0", "0", "0", expect.stringContaining('"cycles":1')],
    },
    {
      call: /^clock_nanosleep\(/,
      error: "EINVAL",
      answers: ["0", "0", "EINVAL", "0", expect.stringContaining('"cycles":0')],
    },
    {
      call: /^clock_nanosleep\(/,
      error: "EINTR",
      answers: ["0", "0", "EINTR", "0", expect.stringContaining('"cycles":0')],
    },
  ])("the loop, $call: $error", async ({ call, error, answers }) => {
    expect((await faulty(["begin a", "loop 1000000 0", "wait", "wait", "end"], { call, error })).answers).toEqual(
      answers,
    );
  });

  test.each([
    { call: /^open(at)?\(.*\.topic"/, error: "EACCES" },
    { call: /^fcntl\(.*F_OFD_SETLKW?, \{l_type=F_WRLCK.*l_start=2/, error: "ENOLCK" },
    { call: /^(new)?fstat(at)?\(/, error: "EIO", after: /\.topic"/ },
    { call: /^fcntl\(.*F_OFD_SETLK, \{l_type=F_WRLCK.*l_start=0/, error: "ENOLCK" },
    { call: /^ftruncate\(\d+, 0\)/, error: "EIO" },
    { call: /^fallocate\(/, error: "ENOSPC" },
    { call: /^pwrite64\(/, error: "EIO" },
    { call: /^fcntl\(.*F_OFD_SETLK, \{l_type=F_RDLCK.*l_start=0/, error: "ENOLCK" },
    { call: /^fcntl\(.*F_OFD_SETLK, \{l_type=F_WRLCK.*l_start=1/, error: "ENOLCK" },
    { call: /^mmap\(NULL, \d+, .*MAP_SHARED/, error: "ENOMEM" },
  ])("rtnode_topic_open, $call: $error; who comes next can open it", async (fault) => {
    const { answers, dir } = await faulty(["open 0 1 t x:f64 8"], fault);
    expect(answers).toEqual([fault.error]);
    const next = ["open 0 1 t x:f64 8", "publish 0 1", "open 1 0 t x:f64 8", "receive 1"];
    expect(await answersOf(program, next, { RTNODE_RUNTIME_DIR: dir })).toEqual(["0", "0", "0", "1 1 before"]);
  });

  test("rtnode_topic_open, pread64 of a topic that is there: EIO", async () => {
    const fault = { call: /^pread64\(\d+, "rttopic1/, error: "EIO" };
    expect((await faulty(["open 0 1 t x:f64 8", "open 1 0 t x:f64 8"], fault)).answers).toEqual(["0", "EIO"]);
  });

  test.each([
    { call: /^write\(2, "a\\n"/, error: "EIO" },
    { call: /^poll\(\[\{fd=2/, error: "ENOMEM" },
  ])("the log, $call: $error; the line is given up and counted, and not what comes after", async ({ call, error }) => {
    const input = "log a\nflush\nlog b\nflush\n";
    expect(await withFault({ words: [program], input }, { call, error })).toMatchObject({
      status: 0,
      stderr: "b\nrtnode: 1 lines of the log found no room\n",
    });
  });

  test.each([
    { call: /^write\(2, "a\\n"/, error: "EINTR" },
    { call: /^write\(2, "a\\n"/, error: "EAGAIN" },
    { call: /^poll\(\[\{fd=2/, error: "EINTR" },
  ])("the log, $call: $error is no failure", async ({ call, error }) => {
    expect(await withFault({ words: [program], input: "log a\nflush\n" }, { call, error })).toMatchObject({
      status: 0,
      stderr: "a\n",
    });
  });

  test("the log, poll(2) in the helper's thread too: ENOMEM", async () => {
    const always = ["strace", "-f", "-qq", "-o", "/dev/null", "-e", "inject=poll:error=ENOMEM", program];
    const driver = drive(always);
    for (const command of ["ready", "log a", "loop 1000000 0", "turns 100", "log b"]) await driver.tell(command);
    expect(await driver.end()).toMatchObject({ status: 0, stderr: "" });
  });

  test.each([
    { call: /^mkdir(at)?\(.*rtnode-/, error: "EROFS" },
    { call: /^(lstat|newfstatat)\(.*"\/dev\/shm\/rtnode-/, error: "EIO" },
  ])("the runtime directory that is this user's own, $call: $error", async ({ call, error }) => {
    const outcome = await withFault(
      { words: [program], input: `open 0 0 fault-${process.pid} x:f64 8\n` },
      { call, error },
    );
    rmSync(`/dev/shm/rtnode-${process.getuid?.()}/fault-${process.pid}.topic`, { force: true });
    expect(outcome).toMatchObject({ status: 0, stdout: `${error}\n` });
  });
});

describe.skipIf(!(await canTrace()) || process.getuid?.() !== 0)("before main, when memory is to be locked:", () => {
  const preload = {
    LD_PRELOAD: join(deviceDir, "librtnode.so"),
    RTNODE_LOCK: "strict",
    RTNODE_AT_ONCE: "1",
    RTNODE_RTTIME: "1000000",
  };

  test.each([
    {
      call: /^mlockall\(/,
      error: "EPERM",
      says: /^mlockall: Operation not permitted: RLIMIT_MEMLOCK is \d+ bytes, the program has more; join/,
    },
    {
      call: /^open(at)?\(.*"\/proc\/self\/status"/,
      error: "EMFILE",
      says: /^\/proc\/self\/status: VmLck is 0 after mlockall$/,
    },
    {
      call: /^prlimit64\(0, RLIMIT_RTTIME, \{/,
      error: "EPERM",
      says: /^setrlimit: RLIMIT_RTTIME of 1000000 us cannot be had: Operation not permitted; a seccomp filter may be why/,
    },
  ])("$call: $error", async ({ call, error, says }) => {
    const words = ["/bin/echo", "started"];
    const strict = await withFault({ words, env: () => preload }, { call, error });
    const warned = await withFault({ words, env: () => ({ ...preload, RTNODE_LOCK: "warn" }) }, { call, error });
    expect(strict).toMatchObject({ status: 125, stdout: "" });
    expect(warned).toMatchObject({ status: 0, stdout: "started\n" });
    const lines = [strict.stderr.replace(/^rt-launch: /, ""), warned.stderr.replace(/^rt-launch: warning: /, "")];
    for (const line of lines) expect(line.trimEnd()).toMatch(says);
  });

  test("a heap that cannot be had", async () => {
    expect(await run(["/bin/echo", "started"], { ...preload, RTNODE_HEAP: "1000000000000000" })).toMatchObject({
      status: 125,
      stdout: "",
      stderr: "rt-launch: malloc: the heap that was asked for cannot be had; ask for less, or raise RLIMIT_MEMLOCK\n",
    });
  });
});
