import * as fc from "fast-check";
import { chmodSync, copyFileSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms, launcherNames, launchers, run, scheduling, unprivileged } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

const dir = scratchDir("rt-launch-config-");
const file = join(dir, "node.conf");

beforeAll(buildDevicePrograms);

describe.each(launcherNames)("%s:", (name) => {
  const launch = launchers[name];

  function launchFile(text: string, ...more: string[]): Promise<Outcome> {
    writeFileSync(file, text);
    return launch("--config", file, ...more);
  }

  describe("a config file", () => {
    test("has the same words as the command line, in any order, with comments and blank lines", async () => {
      const text =
        "# a node\n\nprogram /bin/cat\n  arg /proc/self/stat\npolicy \t batch \nnice 6\nrestart always\ngroups gpio\nafter imu\n";
      const outcome = await launchFile(text);
      expect(outcome).toMatchObject({ status: 0, stderr: "" });
      expect(scheduling(outcome.stdout)).toMatchObject({ policy: 3, nice: 6 });
    });

    test("needs no newline at its end, and takes more arguments from the command line", async () => {
      const outcome = await launchFile("program /bin/echo\narg a", "b", "--nice");
      expect(outcome).toMatchObject({ status: 0, stdout: "a b --nice\n" });
    });

    test("gives way to options after it", async () => {
      const outcome = await launchFile("program /bin/cat\narg /proc/self/stat\nnice 6", "--", "/proc/version");
      expect(outcome.status).toBe(0);
      const later = await launch("--config", file, "--nice", "9");
      expect(scheduling(later.stdout)).toMatchObject({ nice: 9 });
    });

    test("passes any argument on as it is", async () => {
      const argument = fc.string({ unit: "grapheme", maxLength: 40 }).filter((text) => !/[\n\0]/.test(text));
      await fc.assert(
        fc.asyncProperty(fc.array(argument, { maxLength: 4 }), async (words) => {
          const lines = ["program /usr/bin/printf", "arg [%s]", ...words.map((word) => `arg ${word}`)];
          const { stdout } = await launchFile(`${lines.join("\n")}\n`);
          expect(stdout).toBe(words.length === 0 ? "[]" : words.map((word) => `[${word}]`).join(""));
        }),
        { numRuns: 40 },
      );
    });
  });

  describe("a mistake is shown with its place", () => {
    test.each([
      ["policy fast", "policy: 'fast' is none of other, batch, idle, fifo, rr, deadline"],
      ["priority 99", "priority: '99' is not from 1 to 98 (99 is the kernel's own)"],
      ["priority 0", "priority: '0' is not from 1 to 98 (99 is the kernel's own)"],
      ["priority ten", "priority: 'ten' is not a whole number"],
      ["priority 99999999999999999999", "priority: '99999999999999999999' is too large"],
      ["nice -21", "nice: '-21' is not a whole number from -20 to 19"],
      ["nice 20", "nice: '20' is not a whole number from -20 to 19"],
      ["runtime 5", "runtime: '5' is not a time: an integer with ns, us, ms or s"],
      ["deadline 1.5ms", "deadline: '1.5ms' is not a time: an integer with ns, us, ms or s"],
      ["period 0s", "period: must be longer than 0"],
      ["rttime 9999999999999999999s", "rttime: '9999999999999999999s' is too long"],
      ["cpus 3-1", "cpus: '3-1' is not a list of CPUs such as 3 or 0-2,4"],
      ["cpus 1,", "cpus: '1,' is not a list of CPUs such as 3 or 0-2,4"],
      ["cpus 1-", "cpus: '1-' is not a list of CPUs such as 3 or 0-2,4"],
      ["cpus 5000", "cpus: '5000' is not a list of CPUs such as 3 or 0-2,4"],
      ["stack 512K", "stack: '512K' is not a whole number"],
      ["lock-memory yes", "lock-memory: takes no value"],
      ["policy", "policy: needs a value"],
      ["env NAME", "env: 'NAME' is not NAME=VALUE"],
      ["program ", "program: is empty"],
      ["shell /bin/sh", "shell: is no word of a config file"],
      ["warn", "warn: is no word of a config file"],
      ["strict", "strict: is no word of a config file"],
      ["startup 1s", "startup: is no word of a config file"],
      ["chdir", "chdir: is empty"],
      ["core 0", "core: takes no value"],
      ["nice 1\nnice 2", "nice: given twice"],
    ])("%s", async (line, message) => {
      const number = 2 + line.split("\n").length - 1;
      expect(await launchFile(`# first\n${line}\nprogram /bin/true\n`)).toMatchObject({
        status: 125,
        stdout: "",
        stderr: `rt-launch: ${file}:${number}: ${message}\n`,
      });
    });

    test("a NUL byte", async () => {
      const outcome = await launchFile("program /bin/true\narg a\0b\n");
      expect(outcome).toMatchObject({ status: 125, stderr: `rt-launch: ${file}:2: holds a NUL byte\n` });
    });

    test("no program, no file", async () => {
      expect(await launchFile("nice 1\n")).toMatchObject({
        status: 125,
        stderr: `rt-launch: ${file}: names no program\n`,
      });
      const missing = join(dir, "missing.conf");
      const outcome = await launch("--config", missing);
      expect(outcome).toMatchObject({ status: 125, stderr: `rt-launch: ${missing}: No such file or directory\n` });
    });
  });

  describe("words that cannot go together", () => {
    test.each([
      [["--policy", "fifo"], "policy fifo needs a priority from 1 to 98"],
      [["--priority", "5"], "a priority goes with policy fifo or rr only"],
      [["--policy", "rr", "--priority", "5", "--nice", "1"], "nice goes with policy other or batch only, not with rr"],
      [["--period", "1ms"], "runtime, deadline and period go with policy deadline only"],
      [["--policy", "deadline", "--runtime", "1ms"], "policy deadline needs a runtime and a deadline"],
      [
        ["--policy", "deadline", "--runtime", "2ms", "--deadline", "1ms"],
        "runtime <= deadline <= period does not hold (sched(7))",
      ],
      [
        ["--policy", "deadline", "--runtime", "1ms", "--deadline", "2ms", "--cpus", "0"],
        "policy deadline cannot be combined with cpus: the kernel admits a deadline task to a whole root domain and " +
          "refuses a narrower affinity; use an exclusive cpuset (sched-deadline.rst)",
      ],
      [["--warn", "--strict"], "strict and warn contradict each other"],
      [["--stack", "65536"], "stack and heap go with lock-memory only"],
      [["--heap=1"], "stack and heap go with lock-memory only"],
      [["--no-reset-on-fork"], "no-reset-on-fork goes with a policy only"],
      [["--chdir="], "--chdir: is empty"],
      [["--restart", "no"], "--restart: no such option; --help lists them"],
      [["-x"], "-x: no such option; --help lists them"],
      [["--nice"], "--nice: needs a value"],
      [["--warn=1"], "--warn: takes no value"],
      [["--nice", "1", "--nice", "2"], "--nice: given twice"],
    ])("%s", async (words, message) => {
      const outcome = await launch(...words, ...(words.at(-1) === "--nice" ? [] : ["true"]));
      expect(outcome).toMatchObject({ status: 125, stdout: "", stderr: `rt-launch: ${message}\n` });
    });

    test("nothing at all", async () => {
      expect(await launch()).toMatchObject({
        status: 125,
        stderr: "rt-launch: no program given; --help shows the usage\n",
      });
    });
  });
});

/** A time of a unit, in seconds or without an end, as prlimit(1) takes it. */
const microseconds = (text: string): string => (text === "infinity" ? "unlimited" : `${parseInt(text, 10)}000000`);

describe("under the limits of the nodes' unit, without the right to raise them,", () => {
  const unit = readFileSync(join(rtkitRoot, "overlays/rtnode/rootfs/usr/lib/systemd/system/rtnode@.service"), "utf8");
  const [, soft = "", hard = ""] = /^LimitRTTIME=(\d+)s:(\d+s|infinity)$/m.exec(unit) ?? [];
  const unitLimit = `${microseconds(soft)}:${microseconds(hard)}`;

  /** What the kernel says that a program has when these lines are its node's file: `/bin/cat`, or a copy beside the file. */
  async function limits(lines: readonly string[], program = "/bin/cat"): Promise<string> {
    writeFileSync(file, [...lines, `program ${program}`, "arg /proc/self/limits", ""].join("\n"));
    for (const path of [dir, file]) chmodSync(path, path === dir ? 0o755 : 0o644);
    // Not everybody who runs this may be real-time or lock memory; the limits are set all the same.
    const launcher = [...unprivileged([`--rttime=${unitLimit}`]), "--warn", "--startup", "30s"];
    return (await run([...launcher, "--config", file])).stdout;
  }
  /** Of them RLIMIT_RTTIME, soft and hard. */
  async function rttime(lines: readonly string[], program?: string): Promise<string | undefined> {
    return /^Max realtime timeout +(.*?) *us *$/m.exec(await limits(lines, program))?.[1]?.replace(/ +/, " ");
  }
  const fifo = ["policy fifo", "priority 1"];
  const own = join(dir, "cat.bin");
  copyFileSync("/bin/cat", own);

  test("a node without rttime may run as long as it likes", async () => {
    expect(await rttime(fifo)).toBe("unlimited unlimited");
    expect(await rttime(["policy rr", "priority 1"])).toBe("unlimited unlimited");
  });

  test("rttime may be longer than the unit's, or shorter", async () => {
    expect(await rttime([...fifo, "rttime 1000s"])).toBe("1000000000 2000000000");
    expect(await rttime([...fifo, "rttime 5ms"], own)).toBe("5000 10000");
  });

  test("start-up is another thing for what says when it is over, and for interpreters", async () => {
    expect(await rttime([...fifo, "rttime 1s", "notify"], own)).toBe("30000000 60000000");
    expect(await rttime([...fifo, "rttime 1s"])).toBe("30000000 60000000");
  });

  test("a node's own executable that never says so has rttime from its first line on", async () => {
    expect(await rttime([...fifo, "rttime 1s"], own)).toBe("1000000 2000000");
    expect(await rttime([...fifo, "rttime 1s", "lock-memory", "heap 4096"], own)).toBe("1000000 2000000");
    expect(await rttime([...fifo, "rttime 1s", "lock-memory", "heap 4096", "notify"], own)).toBe("30000000 60000000");
  });

  test("its stack and heap are touched before that", async () => {
    const lines = [...fifo, "rttime 1ms", "lock-memory", `heap ${256 * 1024 * 1024}`];
    writeFileSync(file, [...lines, `program ${own}`, "arg /proc/version", ""].join("\n"));
    const outcome = await launchers["rt-launch"]("--startup", "30s", "--config", file);
    // Who may not be real-time, or lock that much, is told so.
    if (outcome.status !== 125) expect(outcome).toMatchObject({ status: 0, signal: undefined, stderr: "" });
  });

  test("a program that has no real-time policy keeps the unit's", async () => {
    expect(await rttime(["policy other"])).toBe("30000000 unlimited");
  });
});
