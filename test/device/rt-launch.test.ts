import { chmodSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import {
  buildDevicePrograms,
  deviceDir,
  latencyDevice,
  launch,
  mayBeRealtime,
  run,
  scheduling,
  unprivileged,
} from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

let realtime = false;
beforeAll(async () => {
  await buildDevicePrograms();
  realtime = await mayBeRealtime();
});

/** What must hold for a real-time launch by this user: the success, or one line of refusal and nothing started. */
function expectRealtime(outcome: Outcome, success: (stdout: string) => void): void {
  if (realtime) {
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    success(outcome.stdout);
  } else {
    expect(outcome).toMatchObject({ status: 125, stdout: "" });
    expect(outcome.stderr).toMatch(/^rt-launch: (sched_setattr|open): .*\n$/);
  }
}

describe("scheduling, read back from /proc by the program itself", () => {
  test.each([
    { words: ["--policy", "other", "--nice", "5"], want: { policy: 0, nice: 5 } },
    { words: ["--nice=7"], want: { policy: 0, nice: 7 } },
    { words: ["--policy", "batch", "--nice", "3"], want: { policy: 3, nice: 3 } },
    { words: ["--policy", "idle"], want: { policy: 5 } },
  ])("$words", async ({ words, want }) => {
    const outcome = await launch(...words, "cat", "/proc/self/stat");
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(scheduling(outcome.stdout)).toMatchObject(want);
  });

  test.each([
    { policy: "fifo", number: 1 },
    { policy: "rr", number: 2 },
  ])("$policy", async ({ policy, number }) => {
    const outcome = await launch("--policy", policy, "--priority", "10", "--", "cat", "/proc/self/stat");
    expectRealtime(outcome, (stdout) => expect(scheduling(stdout)).toMatchObject({ policy: number, priority: 10 }));
  });

  test("children of a real-time program are not real-time", async () => {
    const outcome = await launch("--policy", "fifo", "--priority", "10", "sh", "-c", "cat /proc/self/stat; true");
    expectRealtime(outcome, (stdout) => expect(scheduling(stdout)).toMatchObject({ policy: 0, priority: 0 }));
  });

  test("with --no-reset-on-fork they are", async () => {
    const words = ["--policy", "fifo", "--priority", "10", "--no-reset-on-fork"];
    const outcome = await launch(...words, "sh", "-c", "cat /proc/self/stat; true");
    expectRealtime(outcome, (stdout) => expect(scheduling(stdout)).toMatchObject({ policy: 1, priority: 10 }));
  });

  test("the latency device stays open in the program, where there is one", async () => {
    const outcome = await launch("--policy", "fifo", "--priority", "10", "ls", "-l", "/proc/self/fd");
    expectRealtime(outcome, (stdout) => {
      expect(stdout.includes("/dev/cpu_dma_latency")).toBe(latencyDevice() === "writable");
    });
  });

  test.each(["idle", "batch", "other"])("%s without a nice value keeps the one there is", async (policy) => {
    const words = ["nice", "-n", "4", join(deviceDir, "rt-launch"), "--policy", policy, "cat", "/proc/self/stat"];
    const outcome = await run(words);
    expect(outcome).toMatchObject({ status: 0, stderr: "" });
    expect(scheduling(outcome.stdout)).toMatchObject({ nice: 4 });
  });

  test("without a policy the program keeps the one it would have had", async () => {
    const outcome = await run(["nice", "-n", "4", join(deviceDir, "rt-launch"), "cat", "/proc/self/stat"]);
    expect(scheduling(outcome.stdout)).toMatchObject({ policy: 0, nice: 4 });
  });
});

/** The soft and hard limit of RLIMIT_RTTIME that the program sees. */
async function rttime(...words: string[]): Promise<string | undefined> {
  const { stdout } = await launch(...words, "cat", "/proc/self/limits");
  return /^Max realtime timeout +(.*?) *us *$/m.exec(stdout)?.[1]?.replace(/ +/, " ");
}

describe("CPUs and limits", () => {
  test("the CPUs are the program's", async () => {
    const outcome = await launch("--cpus", "0", "grep", "Cpus_allowed_list", "/proc/self/status");
    expect(outcome).toMatchObject({ status: 0, stdout: "Cpus_allowed_list:\t0\n", stderr: "" });
  });

  test("CPUs that do not exist are refused", async () => {
    const outcome = await launch("--cpus", "1000-1001", "true");
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toMatch(
      /^rt-launch: sched_setaffinity: Invalid argument: none of the CPUs 1000-1001 is online and in this process's cpuset \(allowed now: [\d,-]+\); change cpus, or AllowedCPUs= of the slice\n$/,
    );
  });

  test("CPUs of which the kernel takes only some are refused", async () => {
    const outcome = await launch("--cpus", "0,1000", "true");
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toMatch(/^rt-launch: sched_getaffinity: the kernel gave CPUs 0 of 0,1000: /);
  });

  test("rttime is the soft limit, twice it the hard one, in microseconds rounded up", async () => {
    expect(await rttime("--rttime", "5ms")).toBe("5000 10000");
    expect(await rttime("--rttime", "1500ns")).toBe("2 4");
  });

  test("without rttime the limit that a session has stays", async () => {
    const words = ["prlimit", "--rttime=7000000:9000000", join(deviceDir, "rt-launch"), "--warn", "--policy", "fifo"];
    const { stdout } = await run([...words, "--priority", "1", "cat", "/proc/self/limits"]);
    expect(stdout).toMatch(/^Max realtime timeout +7000000 +9000000 +us *$/m);
  });

  test("--startup widens it, and tells the program what it is to be", async () => {
    expect(await rttime("--rttime", "5ms", "--startup", "10s")).toBe("10000000 20000000");
    const outcome = await launch("--rttime", "5ms", "--startup", "10s", "printenv", "RTNODE_RTTIME");
    expect(outcome.stdout).toBe("5000\n");
  });

  test("a program that launches another one does not pass its own on", async () => {
    const words = ["--rttime", "5ms", "--startup", "10s", join(deviceDir, "rt-launch"), "printenv", "RTNODE_RTTIME"];
    expect(await launch(...words)).toMatchObject({ status: 1, stdout: "" });
  });

  test("what is real-time dumps no core and has no huge pages, unless its core is wanted", async () => {
    const words = ["--policy", "fifo", "--priority", "10"];
    const core = async (...more: string[]): Promise<Outcome> =>
      launch(...words, ...more, "sh", "-c", "ulimit -c; ulimit -Hc");
    const usual = (await run(["sh", "-c", "ulimit -c; ulimit -Hc"])).stdout;
    expectRealtime(await core(), (stdout) => expect(stdout).toBe("0\n0\n"));
    expectRealtime(await core("--core"), (stdout) => expect(stdout).toBe(usual));
    expectRealtime(await launch(...words, "grep", "THP_enabled", "/proc/self/status"), (stdout) =>
      expect(stdout).toBe("THP_enabled:\t0\n"),
    );
    expect((await launch("--policy", "batch", "sh", "-c", "ulimit -c; ulimit -Hc")).stdout).toBe(usual);
  });

  test("more stack than the machine has memory is refused before it is touched", async () => {
    const outcome = await launch("--lock-memory", "--stack", "9223372036854775807", "true");
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toMatch(
      /^rt-launch: sysinfo: this machine has \d+ bytes of memory, stack 9223372036854775807 and heap 0 cannot be touched; ask for less\n$/,
    );
  });

  test("a hard limit that is lower is named", async () => {
    const outcome = await run([...unprivileged(["--rttime=1000:1000"]), "--rttime", "5ms", "true"]);
    expect(outcome).toMatchObject({
      status: 125,
      stderr:
        "rt-launch: setrlimit: Operation not permitted: the hard limit RLIMIT_RTTIME is 1000, 10000 was asked; " +
        "ask for less, or raise LimitRTTIME= of the unit\n",
    });
  });
});

describe("fail closed", () => {
  const fifo = ["--policy", "fifo", "--priority", "40"];

  test("RLIMIT_RTPRIO is named with its value, what was asked, and the remedy", async () => {
    const outcome = await run([...unprivileged(["--rtprio=0:0"]), ...fifo, "echo", "started"]);
    expect(outcome).toMatchObject({
      status: 125,
      stdout: "",
      stderr:
        "rt-launch: sched_setattr: EPERM: RLIMIT_RTPRIO is 0, policy fifo asked for priority 40; " +
        "join group realtime and log in again, or set LimitRTPRIO= in the unit\n",
    });
  });

  test.skipIf(process.getuid?.() !== 0)(
    "root of a container that lacks the capability is told what to start it with",
    async () => {
      const bounded = ["prlimit", "--rtprio=0:0", "setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"];
      const outcome = await run([...bounded, join(deviceDir, "rt-launch"), ...fifo, "echo", "started"]);
      expect(outcome).toMatchObject({
        status: 125,
        stdout: "",
        stderr:
          "rt-launch: sched_setattr: EPERM: RLIMIT_RTPRIO is 0, policy fifo asked for priority 40; " +
          "root lacks CAP_SYS_NICE: start the container with --cap-add=SYS_NICE or --ulimit rtprio=98\n",
      });
    },
  );

  test("root of a user namespace has no right to real-time scheduling, whatever its capabilities say", async () => {
    const words = ["prlimit", "--rtprio=0:0", "unshare", "--user", "--map-root-user", join(deviceDir, "rt-launch")];
    const outcome = await run([...words, ...fifo, "echo", "started"]);
    expect(outcome).toMatchObject({ status: 125, stdout: "" });
    expect(outcome.stderr).toMatch(/^rt-launch: sched_setattr: EPERM: RLIMIT_RTPRIO is 0, .*--ulimit rtprio=98\n$/);
  });

  test("reset-on-fork cannot be taken off without the capability", async () => {
    const launcher = unprivileged([]);
    const words = [...launcher, "--policy", "batch", join(launcher.at(-1) ?? "", "../rt-launch")];
    const outcome = await run([...words, "--policy", "batch", "--no-reset-on-fork", "true"]);
    expect(outcome).toMatchObject({
      status: 125,
      stderr:
        "rt-launch: sched_setattr: EPERM: reset-on-fork is on already, and CAP_SYS_NICE (not held) is needed to take it " +
        "off; leave out no-reset-on-fork, or start it as root\n",
    });
  });

  test.each([
    { limit: "--rtprio=0:0", words: fifo, status: /^STATUS=sched_setattr: EPERM: RLIMIT_RTPRIO is 0, .* in the unit$/ },
    { limit: "--memlock=0:0", words: ["--lock-memory"], status: /^STATUS=mlockall: .*RLIMIT_MEMLOCK is 0 bytes, / },
  ])("systemd hears why, for the unit's status line ($limit)", async ({ limit, words, status }) => {
    // Of the abstract kind (unix(7)): any user may send.
    const script = `
import os, socket, subprocess, sys
receiver = socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM)
receiver.bind("\\0" + sys.argv[1])
receiver.settimeout(30)
subprocess.run(sys.argv[2:], env={**os.environ, "NOTIFY_SOCKET": "@" + sys.argv[1]}, stderr=subprocess.DEVNULL)
print(receiver.recv(4096).decode(), end="")`;
    const name = `rt-launch-${process.pid}-${words.length}`;
    const outcome = await run(["/usr/bin/python3", "-c", script, name, ...unprivileged([limit]), ...words, "true"]);
    expect(outcome.stdout).toMatch(status);
  });

  test("--strict is the default, and may be said", async () => {
    const outcome = await run([...unprivileged(["--rtprio=0:0"]), "--strict", ...fifo, "echo", "started"]);
    expect(outcome).toMatchObject({ status: 125, stdout: "" });
    expect(outcome.stderr).toMatch(/^rt-launch: sched_setattr: EPERM: RLIMIT_RTPRIO is 0, /);
  });

  test("--warn says the same and goes on", async () => {
    const outcome = await run([...unprivileged(["--rtprio=0:0"]), "--warn", ...fifo, "echo", "started"]);
    expect(outcome).toMatchObject({ status: 0, stdout: "started\n" });
    expect(outcome.stderr).toMatch(/^rt-launch: warning: sched_setattr: EPERM: RLIMIT_RTPRIO is 0, /);
  });

  test("RLIMIT_NICE is named", async () => {
    const outcome = await run([...unprivileged(["--nice=0:0"]), "--nice", "-5", "true"]);
    expect(outcome).toMatchObject({
      status: 125,
      stderr:
        "rt-launch: sched_setattr: EPERM: RLIMIT_NICE is 0 (nice 20), policy other asked for nice -5; " +
        "raise nice in limits.d, or LimitNICE= of the unit\n",
    });
  });

  test("deadline needs a capability", async () => {
    const deadline = ["--policy", "deadline", "--runtime", "1ms", "--deadline", "10ms"];
    const outcome = await run([...unprivileged(["--rtprio=0:0"]), ...deadline, "true"]);
    expect(outcome.status).toBe(125);
    expect(outcome.stderr).toMatch(/^rt-launch: sched_setattr: EPERM: policy deadline needs CAP_SYS_NICE \(not held\)/);
  });

  test("--require-rt-kernel asks the kernel", async () => {
    const isRealtime = (await run(["uname", "-v"])).stdout.includes("PREEMPT_RT");
    const outcome = await launch("--require-rt-kernel", "true");
    expect(outcome.status).toBe(isRealtime ? 0 : 125);
    expect(outcome.stderr).toMatch(isRealtime ? /^$/ : /^rt-launch: uname: the kernel .* is not PREEMPT_RT/);
  });

  test("a program that never blocks is ended by rttime", async () => {
    const words = ["--policy", "fifo", "--priority", "1", "--rttime", "100ms", "sh", "-c", "while :; do :; done"];
    const outcome = await launch(...words);
    if (realtime) expect(outcome.signal ?? "").toMatch(/^SIG(XCPU|KILL)$/);
    else expect(outcome.status).toBe(125);
  });
});

describe("the program", () => {
  test("its exit status is the launcher's", async () => {
    expect((await launch("sh", "-c", "exit 42")).status).toBe(42);
  });

  test.each([
    { name: "rtnode-no-such-program", status: 127, reason: "No such file or directory" },
    { name: "/no/such/program", status: 127, reason: "No such file or directory" },
    { name: "/etc/passwd", status: 126, reason: "Permission denied" },
    { name: "/etc", status: 126, reason: "Permission denied" },
    { name: "/etc/passwd/x", status: 127, reason: "Not a directory" },
  ])("$name: $status", async ({ name, status, reason }) => {
    expect(await launch(name)).toMatchObject({ status, stdout: "", stderr: `rt-launch: ${name}: ${reason}\n` });
  });

  test("one without a name is not found", async () => {
    expect(await launch("")).toMatchObject({ status: 127, stderr: "rt-launch: '': No such file or directory\n" });
  });

  test("starts in the folder that was asked for, and is looked for there", async () => {
    const dir = scratchDir("rt-launch a folder ");
    writeFileSync(join(dir, "program"), "#!/bin/sh\npwd\n", { mode: 0o755 });
    expect(await launch("--chdir", dir, "./program")).toMatchObject({ status: 0, stdout: `${dir}\n` });
    expect(await launch(`--chdir=${dir}/missing`, "true")).toMatchObject({
      status: 125,
      stderr: `rt-launch: chdir: ${dir}/missing: No such file or directory\n`,
    });
  });

  test("may be called show, after two dashes", async () => {
    const dir = scratchDir("rt-launch-");
    writeFileSync(join(dir, "show"), "#!/bin/sh\necho shown $1\n", { mode: 0o755 });
    const outcome = await run([join(deviceDir, "rt-launch"), "--", "show", "1"], { PATH: `${dir}:/usr/bin:/bin` });
    expect(outcome).toMatchObject({ status: 0, stdout: "shown 1\n" });
  });

  test.skipIf(process.getuid?.() !== 0)("of an ordinary user has none of the launcher's capabilities", async () => {
    const user = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups", "--inh-caps=+sys_nice"];
    const dir = join(unprivileged([]).at(-1) ?? "", "..");
    const words = [...user, "--ambient-caps=+sys_nice", join(dir, "rt-launch"), "--nice", "-5"];
    const outcome = await run([...words, "grep", "-E", "^Cap(Eff|Prm|Amb)", "/proc/self/status"]);
    const none = "0".repeat(16);
    expect(outcome.stdout).toBe(`CapPrm:\t${none}\nCapEff:\t${none}\nCapAmb:\t${none}\n`);
  });

  test("one whose interpreter is missing cannot be executed", async () => {
    const file = join(scratchDir("rt-launch-"), "program");
    writeFileSync(file, "#!/no/such/interpreter\n");
    chmodSync(file, 0o755);
    expect(await launch(file)).toMatchObject({
      status: 126,
      stderr: `rt-launch: execve: ${file}: No such file or directory (its interpreter or loader is missing)\n`,
    });
  });

  test("it knows that it was launched, and gets its environment", async () => {
    const outcome = await launch("--env", "A=b c", "--env", "B=", "env");
    expect(outcome.stdout.split("\n")).toEqual(expect.arrayContaining(["RTNODE_LAUNCHED=1", "A=b c", "B="]));
  });
});
