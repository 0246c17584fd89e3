import { execa } from "execa";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { inject, mayTrace, trace } from "./strace.ts";
import type { Call } from "./strace.ts";
import { buildDevicePrograms, deviceDir, hasIdleStates, latencyDevice, run } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/*
 * Every system call of rt-launch fails in turn, or is left out by a kernel that says yes all the same. What must come is
 * one line and no program, or a program that has everything it was to have.
 */

await buildDevicePrograms();
const tracing = await mayTrace();
const launcher = join(deviceDir, "rt-launch");

/** A shell says what it has: settings, folder and variable. */
const report = `"${launcher}" show --json $$ && pwd && echo "$GREETING"`;
const file = join(scratchDir("faults-"), "node.conf");
const lines = ["cpus 0", "rttime 1s", "chdir /", "env GREETING=hello", "program /bin/sh", "arg -c", `arg ${report}`];
writeFileSync(file, `${lines.join("\n")}\n`, { mode: 0o644 });

/** What any user may have. */
const modest = ["--policy", "batch", "--config", file, "--nice", "19", "--startup", "2s"];
const memory = ["--lock-memory", "--stack=65536", "--heap=65536"];
/** All there is, for whoever may be real-time and lock memory. */
const full = ["--policy", "fifo", "--priority", "10", ...memory, "--config", file];
const mayAll = (await run([launcher, ...full])).status === 0;

/** What the shell said, without what differs from run to run. */
function settings({ stdout }: Outcome): string {
  return stdout.replace(/"[pt]id":\d+/g, "").replace(/"lockedKiB":[1-9]\d*/, '"lockedKiB":"some"');
}

/** The calls of rt-launch itself: before them the C library starts, which protects its tables last; after them the program. */
async function callsOf(words: readonly string[]): Promise<{ starting: Call[]; own: Call[]; usual: Outcome }> {
  const { calls, outcome } = await trace([launcher, ...words]);
  const first = calls.findIndex(({ name }) => name === "mprotect") + 1;
  const last = calls.findIndex(({ name }) => name === "execve");
  const own = calls.slice(first, last < 0 ? undefined : last + 1);
  return { starting: calls.slice(0, first), own, usual: outcome };
}

/** What is wrong with an outcome when the launcher has to refuse; null when nothing is. */
function notRefused({ status, stdout, stderr }: Outcome): string | null {
  const closed = stdout === "" && [125, 126, 127].includes(status ?? -1) && /^rt-launch: (?!warning).*\n$/.test(stderr);
  return closed ? null : `status ${status}, ${JSON.stringify(stderr)}, ${JSON.stringify(stdout)}`;
}

/** What is wrong with an outcome when the program has to have everything. */
function notComplete(outcome: Outcome, usual: Outcome): string | null {
  const complete = outcome.status === 0 && outcome.stderr === usual.stderr && settings(outcome) === settings(usual);
  return complete ? null : `status ${outcome.status}, ${JSON.stringify(outcome.stderr)}, ${outcome.stdout}`;
}

/** What is wrong with an outcome when the launcher has to go on, and to say what is missing. */
function notWarned({ status, stderr }: Outcome): string | null {
  const warned = status === 0 && /^(rt-launch: warning: .*\n)+$/.test(stderr);
  return warned ? null : `status ${status}, ${JSON.stringify(stderr)}`;
}

/** Calls whose failure takes nothing from the program, and why. */
const irrelevant: readonly (readonly [line: RegExp, reason: string])[] = [
  [/^close\(/, "the file was only read, and execve closes what is left"],
  [/^(new)?fstat(at)?\(\d, .*S_IFREG\|0644/, "stdio asks for the block size of the config file"],
  [/^prlimit64\(0, RLIMIT_MEMLOCK, \{rlim_cur=RLIM64_INFINITY/, "the hard limit is tried next"],
  [/^brk\(/, "the kernel never gives brk an error number, as strace does; malloc goes on with mmap"],
];
const isIrrelevant = ({ line }: Call): boolean => irrelevant.some(([pattern]) => pattern.test(line));

/** Calls that decide which program runs, where, and with which rights: --warn does not go on without them. */
const essential = /node\.conf|^read\(|^chdir|^newfstatat\(AT_FDCWD|^f?access(at2?)?\(|PR_CAP_AMBIENT|^execve/;

/** Injects a result into each of the calls, and gives back what went wrong. */
async function sweep(
  calls: readonly Call[],
  result: (call: Call) => string,
  words: readonly string[],
  verdict: (call: Call, outcome: Outcome) => string | null,
): Promise<string[]> {
  const wrong: string[] = [];
  for (const call of calls) {
    const reason = verdict(call, await inject(call, result(call), [launcher, ...words]));
    if (reason !== null) wrong.push(`${call.line}: ${reason}`);
  }
  return wrong;
}

describe.skipIf(!tracing).each([
  { name: "an ordinary program", words: modest, possible: true },
  { name: "a real-time program with locked memory", words: full, possible: mayAll },
])("the launch of $name, each call in turn", ({ words, possible }) => {
  test.skipIf(!possible).each(["EPERM", "EIO", "ENOENT"])("refused with %s: no program, one line", async (error) => {
    const { own, usual } = await callsOf(words);
    expect(own.length).toBeGreaterThan(15);
    const absentDevice = ({ line }: Call): boolean => error === "ENOENT" && line.includes("cpu_dma_latency");
    const wrong = await sweep(
      own.filter((call) => !absentDevice(call)),
      () => `error=${error}`,
      words,
      (call, outcome) => (isIrrelevant(call) ? notComplete(outcome, usual) : notRefused(outcome)),
    );
    expect(wrong).toEqual([]);
  });

  test.skipIf(!possible)("refused with EPERM under --warn: a program, and a line for what it has not", async () => {
    const warning = ["--warn", ...words];
    const { own, usual } = await callsOf(warning);
    const wrong = await sweep(
      own,
      () => "error=EPERM",
      warning,
      (call, outcome) => {
        if (isIrrelevant(call)) return notComplete(outcome, usual);
        return essential.test(call.line) ? notRefused(outcome) : notWarned(outcome);
      },
    );
    expect(wrong).toEqual([]);
  });

  // Not the latency device: what it reads back is the smallest request of all processes on this machine.
  test.skipIf(!possible)("left out, though the kernel says yes: reading back shows it", async () => {
    const { own } = await callsOf(words);
    const setting = /^prlimit64\(0, RLIMIT_\w+, \{|^prctl\(PR_SET_THP|^sched_seta/;
    const calls = own.filter(({ line }) => setting.test(line));
    expect(calls.length).toBeGreaterThan(2);
    expect(
      await sweep(
        calls,
        () => "retval=0",
        words,
        (_, outcome) => notRefused(outcome),
      ),
    ).toEqual([]);
  });

  test.skipIf(!possible)("refused before main: no program, or one that has everything", async () => {
    const { starting, usual } = await callsOf(words);
    const wrong = await sweep(
      starting.filter(({ name }) => name !== "brk"),
      () => "error=EPERM",
      words,
      (_, outcome) => (outcome.status === 0 || outcome.stdout !== "" ? notComplete(outcome, usual) : null),
    );
    expect(wrong).toEqual([]);
  });
});

const filter = "; a seccomp filter may forbid it: leave the container, or look for SystemCallFilter= in the unit";
const deadline = ["--policy", "deadline", "--runtime", "1ms", "--deadline", "10ms", "true"];
const library = join(deviceDir, "librtnode.so");

/** [call, error, options, what is said, exit status (125 when not given)] */
type Row = readonly [call: RegExp, error: string, words: readonly string[], line: string, status?: number];

const refusals: readonly Row[] = [
  [/^openat.*node\.conf/, "EACCES", modest, `${file}: Permission denied`],
  [/^read\(/, "EIO", modest, `${file}: Input/output error`],
  [/^chdir/, "EACCES", modest, "chdir: /: Permission denied"],
  [/^newfstatat\(AT_FDCWD, "\/bin\/sh"/, "ENOENT", modest, "/bin/sh: No such file or directory", 127],
  [/^newfstatat\(AT_FDCWD, "\/bin\/sh"/, "ENOTDIR", modest, "/bin/sh: Not a directory", 127],
  [/^newfstatat\(AT_FDCWD, "\/bin\/sh"/, "EACCES", modest, "/bin/sh: Permission denied", 126],
  [/^f?access(at2?)?\(/, "EACCES", modest, "/bin/sh: Permission denied", 126],
  [/^uname/, "EFAULT", ["--require-rt-kernel", "--warn", "true"], "uname: Bad address"],
  [/RLIMIT_RTTIME, \{/, "EPERM", modest, `setrlimit: RLIMIT_RTTIME of 4000000: Operation not permitted${filter}`],
  [/RLIMIT_RTTIME, \{/, "EINVAL", modest, "setrlimit: RLIMIT_RTTIME of 4000000: Invalid argument"],
  [/RLIMIT_RTTIME, NULL/, "ENOSYS", modest, `getrlimit: RLIMIT_RTTIME: Function not implemented${filter}`],
  [/^sched_setaffinity/, "ENOSYS", modest, `sched_setaffinity: CPUs 0: Function not implemented${filter}`],
  [/^sched_getaffinity/, "EINVAL", modest, "sched_getaffinity: CPUs 0 cannot be read back: Invalid argument"],
  [/^getpriority/, "EPERM", ["--policy", "batch", "true"], "getpriority: Operation not permitted"],
  [
    /^sched_setattr/,
    "ENOSYS",
    modest,
    `sched_setattr: Function not implemented: the kernel refused policy batch, priority 0, nice 19${filter}`,
  ],
  [
    /^sched_getattr/,
    "EPERM",
    modest,
    `sched_getattr: policy batch cannot be read back: Operation not permitted${filter}`,
  ],
  [
    /^sched_setattr/,
    "EBUSY",
    deadline,
    "sched_setattr: EBUSY: the kernel's admission test refused the deadline task: the CPUs are booked out; " +
      "ask for a smaller runtime/period",
  ],
  [
    /^sched_setattr/,
    "EINVAL",
    deadline,
    "sched_setattr: EINVAL: runtime 1000000 ns, deadline 10000000 ns, period 10000000 ns: the kernel wants 1024 ns of " +
      "runtime at least, and a period between sched_deadline_period_min_us and _max_us in /proc/sys/kernel; ask for such times",
  ],
  [/PR_CAP_AMBIENT_CLEAR_ALL/, "EINVAL", modest, "prctl: PR_CAP_AMBIENT_CLEAR_ALL: Invalid argument"],
  [/PR_CAP_AMBIENT_IS_SET/, "EINVAL", modest, "prctl: PR_CAP_AMBIENT_IS_SET: Invalid argument"],
  [/^execve/, "ENOEXEC", modest, "execve: /bin/sh: Exec format error", 126],
  [/^execve/, "E2BIG", modest, "execve: /bin/sh: Argument list too long", 126],
];

const realtimeRefusals: readonly Row[] = [
  [/^openat.*"\/bin\/sh"/, "EIO", full, "/bin/sh: memory cannot be locked: Input/output error"],
  [/^pread64.*\\177ELF/, "EIO", full, "/bin/sh: memory cannot be locked: Input/output error"],
  [/^fgetxattr/, "EIO", full, "/bin/sh: memory cannot be locked: Input/output error"],
  [
    /^readlink.*4095/,
    "ENOENT",
    full,
    "readlink: /proc/self/exe: No such file or directory: memory cannot be locked; mount /proc, or say where the library " +
      "is with --library",
  ],
  [/^openat.*librtnode/, "EACCES", full, `${library}: memory cannot be locked: Permission denied`],
  [/^mmap.*PROT_EXEC/, "EPERM", full, `${library}: memory cannot be locked: its file system is mounted noexec`],
  [/^sysinfo/, "EFAULT", full, "sysinfo: Bad address: nothing says that there is memory for stack and heap"],
  [/RLIMIT_RTPRIO, NULL/, "EPERM", full, `getrlimit: RLIMIT_RTPRIO: Operation not permitted${filter}`],
  [/RLIMIT_STACK, NULL/, "EPERM", full, `getrlimit: RLIMIT_STACK: Operation not permitted${filter}`],
  [/RLIMIT_CORE, \{/, "EPERM", full, `setrlimit: RLIMIT_CORE of 0: Operation not permitted${filter}`],
  [/PR_SET_THP_DISABLE/, "EINVAL", full, "prctl: transparent huge pages cannot be switched off: Invalid argument"],
  [
    /PR_GET_THP_DISABLE/,
    "EPERM",
    full,
    `prctl: transparent huge pages cannot be switched off: Operation not permitted${filter}`,
  ],
  [/PR_SET_TIMERSLACK/, "EPERM", full, `prctl: the timer slack of 1 ns: Operation not permitted${filter}`],
  [/PR_GET_TIMERSLACK/, "EINVAL", full, "prctl: the timer slack of 1 ns: Invalid argument"],
  [
    /^sched_setattr/,
    "EPERM",
    full,
    "sched_setattr: EPERM: the rights suffice, so a kernel with CONFIG_RT_GROUP_SCHED=y gives this cgroup no real-time " +
      "runtime, or a seccomp filter forbids it; use a kernel without RT_GROUP_SCHED, leave the container, or take " +
      "RestrictRealtime= out of the unit",
  ],
];

const device = "/dev/cpu_dma_latency";
const deviceRefusals: readonly Row[] = [
  [
    /^openat.*cpu_dma/,
    "EACCES",
    full,
    `open: ${device}: Permission denied: idle states cannot be held off; join group realtime and log in again (its udev ` +
      "rule gives it the device)",
  ],
  [
    /^openat.*cpu_dma/,
    "EPERM",
    full,
    `open: ${device}: Operation not permitted: idle states cannot be held off; give it to the container (--device), or ` +
      "DeviceAllow= it in the unit",
  ],
  [/^write/, "EINVAL", full, `write: ${device}: Invalid argument: idle states are not held off`],
  [
    /^pread64\(\d, "(\\0)+"/,
    "EINVAL",
    full,
    `pread: ${device}: Invalid argument: nothing says that idle states are held off`,
  ],
];

const named = (rows: readonly Row[]): { call: string; error: string; row: Row }[] =>
  rows.map((row) => ({ call: row[0].source, error: row[1], row }));

async function expectRefusal([pattern, error, words, line, status = 125]: Row): Promise<void> {
  const call = (await callsOf(words)).own.find((candidate) => pattern.test(candidate.line));
  expect(call).toBeDefined();
  if (call === undefined) return;
  const refused = await inject(call, `error=${error}`, [launcher, ...words]);
  expect(refused.stderr.replace(/^rt-launch: warning: /, "rt-launch: ")).toContain(`rt-launch: ${line}\n`);
  expect(refused).toMatchObject({ status, stdout: "" });
}

describe.skipIf(!tracing)("what is said when", () => {
  test.each(named(refusals))("$call gives $error", ({ row }) => expectRefusal(row));

  test.skipIf(!mayAll).each(named(realtimeRefusals))("$call gives $error", ({ row }) => expectRefusal(row));

  test.skipIf(!mayAll || latencyDevice() !== "writable").each(named(deviceRefusals))("$call gives $error", ({ row }) =>
    expectRefusal(row),
  );

  test.skipIf(!mayAll)("the latency device is not there: nothing, unless the CPUs have idle states", async () => {
    const call = (await callsOf(full)).own.find(({ line }) => line.includes(device));
    expect(call).toBeDefined();
    if (call === undefined) return;
    expect(await inject(call, "error=ENOENT", [launcher, ...full])).toMatchObject(
      hasIdleStates()
        ? {
            status: 125,
            stdout: "",
            stderr:
              `rt-launch: open: ${device}: No such file or directory: idle states cannot be held off; give it to the ` +
              "container (--device), or DeviceAllow= it in the unit\n",
          }
        : { status: 0, stderr: "" },
    );
  });
});

describe.skipIf(!tracing)("rt-launch show, each call in turn", () => {
  const child = execa("sleep", ["600"], { reject: false });
  afterAll(() => child.kill());
  const words = ["show", "--json", String(child.pid)];

  test.each(["EPERM", "EIO", "ESRCH"])("refused with %s: the whole answer or none, and one line", async (error) => {
    const { own, usual } = await callsOf(words);
    expect(own.length).toBeGreaterThan(20);
    const wrong = await sweep(
      own.filter(({ name }) => name !== "brk"),
      () => `error=${error}`,
      words,
      (_, { status, stdout, stderr }) => {
        // Unknown is null; what the kernel does say is the same.
        const known = status === 0 && stderr === "" && sameButNull(JSON.parse(stdout), JSON.parse(usual.stdout));
        // That there is no such process is said only when the kernel says it.
        const statuses = error === "ESRCH" ? [1, 125] : [125];
        const failed = statuses.includes(status ?? -1) && stdout === "" && /^rt-launch: show: .*\n$/.test(stderr);
        return known || failed ? null : `status ${status}, ${JSON.stringify(stderr)}, ${JSON.stringify(stdout)}`;
      },
    );
    expect(wrong).toEqual([]);
  });
});

/** True when two documents are equal where the first has no null. */
function sameButNull(some: unknown, all: unknown): boolean {
  if (some === null || typeof some !== "object") return some === null || some === all;
  const keys = Object.keys(some) as (keyof typeof some)[];
  const same = keys.length === Object.keys(all ?? {}).length;
  return same && keys.every((key) => sameButNull(some[key], (all as typeof some)[key]));
}
