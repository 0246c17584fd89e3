import { chmodSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { readCyclictest } from "../../src/latency/cyclictest.ts";
import { countOf } from "../../src/latency/histogram.ts";
import { recorder, type Recording } from "../../src/latency/recording.ts";
import { boardRoot, conf, program, rtnodectl, useBoardRoot, writeFakeLauncher, writeFakes } from "./rtnode-root.ts";
import { run } from "./support.ts";

useBoardRoot();

/** stress-ng is started as nobody, which only root can. */
const root = process.getuid?.() === 0;

beforeEach(() => {
  put("sys/devices/system/cpu/online", readFileSync("/sys/devices/system/cpu/online", "utf8"));
  put("sys/devices/system/cpu/cpu0/cpufreq/scaling_governor", "performance\n");
  put("sys/devices/system/cpu/cpu1/cpufreq/scaling_governor", "schedutil\n");
  put("sys/devices/system/cpu/isolated", "\n");
  put("proc/uptime", "100.50 1.00\n");
  put("proc/cmdline", 'root=/dev/mmcblk0p2 say="hi"\n');
  put("proc/sys/kernel/sched_rt_runtime_us", "950000\n");
  put("sys/devices/system/cpu/nohz_full", "(null)\n");
  put("proc/swaps", "Filename\tType\n/dev/zram0\tpartition\n");
});

function put(path: string, text: string): void {
  mkdirSync(dirname(join(boardRoot(), path)), { recursive: true });
  writeFileSync(join(boardRoot(), path), text);
}

function putProgram(name: string, script: string): void {
  put(`bin/${name}`, `#!/bin/sh\n${script}\n`);
  chmodSync(join(boardRoot(), "bin", name), 0o755);
}

function heard(stdout: string): Recording {
  const { take, recording } = recorder();
  for (const line of stdout.trimEnd().split("\n")) take(line);
  return recording();
}

/** What is left of measurements in the board's folder. */
const left = (): string[] => readdirSync(join(boardRoot(), "opt/rtnode")).filter((name) => name.startsWith("latency"));

describe("a measurement", () => {
  test("tells the settings, each second, and what cyclictest wrote, to the byte; and leaves nothing", async () => {
    // The last that reads the file keeps it for us.
    putProgram("sed", `cp "$2" '${boardRoot()}/kept' 2>/dev/null; exec /bin/sed "$@"`);
    writeFakes({ show: "ActiveState=active\nMainPID=5" });
    putProgram("systemd-detect-virt", "echo qemu");
    conf("imu", "");
    const times = '{"p50":4,"p99":9,"p999":9,"max":8.500,"bins":[[4,700],[9,300]]}';
    const counted =
      '"cycles":1000,"overruns":0,"minorFaults":0,"majorFaults":0,"involuntarySwitches":0,"migrations":0,"collections":0';
    writeFakeLauncher(
      `echo '{"name":"x","pid":5,"policy":"fifo","priority":40,"cpus":"3","lockedKiB":9,"stats":{"periodUs":1000,${counted},"wakeupUs":${times},"executionUs":null},"threads":[]}'`,
    );
    const { status, stdout, stderr } = await rtnodectl("latency", "2", "none");
    expect({ status, stderr }).toEqual({ status: 0, stderr: "" });
    const recording = heard(stdout);
    expect(recording.settings).toMatchObject({
      virtual: "qemu",
      intervalUs: 1000,
      values: {
        governor: "performance schedutil",
        commandLine: 'root=/dev/mmcblk0p2 say="hi"',
        isolatedCpus: null,
        noHzFullCpus: null,
        rtRuntimeUs: "950000",
        swappiness: null,
        clockSource: null,
        swap: "on",
      },
    });
    expect(recording.begin?.nodes).toMatchObject([{ name: "imu", pid: 5 }]);
    expect(recording.end?.nodes).toMatchObject([{ name: "imu", state: "active" }]);
    expect(recording.timeline.length).toBeGreaterThanOrEqual(2);
    expect(recording.timeline.flatMap(({ cpus }) => cpus).length).toBeGreaterThan(0);
    expect(recording.loops.get("imu")?.last.wakeup).toEqual({
      bins: [
        [4, 700],
        [9, 300],
      ],
      beyond: 0,
      max: 8.5,
    });
    const written = readFileSync(join(boardRoot(), "kept"), "utf8");
    expect(recording.cyclictest).toBe(written);

    const file = JSON.parse(written) as { thread: Record<string, Thread> };
    const { cpus } = readCyclictest(written);
    const readBack = cpus.map(({ cpu, min, average, times: { bins, max } }) => ({
      cpu,
      min,
      max,
      avg: average,
      histogram: Object.fromEntries(bins),
    }));
    expect(readBack).toEqual(
      Object.values(file.thread).map(({ cpu, min, max, avg, histogram = {} }) => ({ cpu, min, max, avg, histogram })),
    );
    expect(cpus.map(({ times: all }) => countOf(all))).toEqual(Object.values(file.thread).map(({ cycles }) => cycles));
    expect(left()).toEqual([]);
  });

  test.skipIf(!root)("ends with all that it started when standard input does, and leaves nothing", async () => {
    const env = { RTNODE_ROOT: boardRoot(), PATH: `${join(boardRoot(), "bin")}:${process.env["PATH"]}` };
    // As /opt/rtnode is: stress-ng, as nobody, has a folder below.
    chmodSync(boardRoot(), 0o755);
    const child = execa("sh", [program, "latency", "600", "cpu,memory"], { env, reject: false, buffer: false });
    const pids = new Set<string>();
    child.stdout.setEncoding("utf8");
    let said = "";
    for await (const text of child.stdout as AsyncIterable<string>) {
      said += text;
      if (!text.includes("T:")) continue;
      for (const pid of (await run(["pgrep", "-P", String(child.pid)])).stdout.trim().split("\n")) pids.add(pid);
      break;
    }
    expect(said).toMatch(/^second 100\.50 \{.*"loaded":true\}$/m);
    expect(left()).toHaveLength(1);
    child.stdin.end();
    await child;
    expect(left()).toEqual([]);
    // cyclictest, stress-ng and the one that listens, at least.
    expect(pids.size).toBeGreaterThanOrEqual(3);
    for (const pid of pids) expect(await goes(pid), `process ${pid}`).toBe(true);
    const { stdout } = await run(["pgrep", "-f", `temp-path ${boardRoot()}`]);
    expect(stdout).toBe("");
  });

  test("asks cyclictest for its status only when all its threads are there: before, it would die of that", async () => {
    put("sys/devices/system/cpu/online", "0-2,5\n");
    // As many threads as CPUs, and then one more, the main one; it counts how often it was asked before that.
    putProgram(
      "cyclictest",
      `exec python3 -c '
import signal, sys, threading, time
asked = []
signal.signal(signal.SIGUSR1, lambda *_: asked.append(threading.active_count()))
for count in (3, 1):
    for _ in range(count): threading.Thread(target=time.sleep, args=(9,), daemon=True).start()
    for _ in range(30): time.sleep(0.1)
open("${boardRoot()}/asked", "w").write(" ".join(map(str, asked)))
'`,
    );
    putProgram("taskset", 'shift 2; exec "$@"');
    expect((await rtnodectl("latency", "6", "none")).status).toBe(0);
    const asked = readFileSync(join(boardRoot(), "asked"), "utf8").split(" ");
    expect(asked.length).toBeGreaterThan(0);
    expect(new Set(asked)).toEqual(new Set(["5"]));
  });

  test("clears away what a power cut left", async () => {
    put("opt/rtnode/latency.AbCdEf/stress", "x");
    putProgram("taskset", "exit 1");
    const { status, stderr } = await rtnodectl("latency", "1", "none");
    expect({ status, stderr }).toEqual({ status: 1, stderr: "rtnodectl: what measured ended with status 1\n" });
    expect(left()).toEqual([]);
  });

  test.each([
    ["0", "cpu", "'0' is not a number of seconds up to 604800"],
    ["604801", "cpu", "'604801' is not a number"],
    ["1e3", "cpu", "'1e3' is not a number"],
    ["", "cpu", "'' is not a number"],
    ["1", "", "'' is no list of loads"],
    ["1", "cpu,,disk", "'cpu,,disk' is no list of loads"],
    ["1", "cpu,$(reboot)", "'$(reboot)' is no load: cpu, disk, net, memory or none"],
    ["1", "cpu --class", "'cpu --class' is no load"],
  ])("of %j seconds under %j is refused", async (seconds, loads, why) => {
    const { status, stdout, stderr } = await rtnodectl("latency", seconds, loads);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "" });
    expect(stderr).toContain(`rtnodectl: ${why}`);
  });

  test("says which packages the board lacks, and does nothing else", async () => {
    const env = { RTNODE_ROOT: boardRoot(), PATH: join(boardRoot(), "bin") };
    const { status, stdout } = await run(["/bin/sh", program, "latency", "5", "cpu"], env);
    expect({ status, stdout }).toEqual({ status: 1, stdout: "missing rt-tests\nmissing stress-ng\n" });
    const blame = await run(["/bin/sh", program, "latency", "5", "none", "--blame", "50"], env);
    expect(blame.stdout).toBe("missing rtla\n");
  });
});

describe("the search for a culprit", () => {
  test("asks rtla, and passes on what it says", async () => {
    put("sys/kernel/tracing/available_tracers", "timerlat osnoise nop\n");
    putProgram(
      "rtla",
      `echo "$*" >'${boardRoot()}/asked'; echo '## CPU 1 hit stop tracing, analyzing it ##'; echo 'no cgroup' >&2`,
    );
    const { status, stdout } = await rtnodectl("latency", "30", "none", "--blame", "50");
    expect(status).toBe(0);
    const { blame, said, cyclictest } = heard(stdout);
    expect({ blame, said, cyclictest }).toEqual({
      blame: ["## CPU 1 hit stop tracing, analyzing it ##"],
      said: ["no cgroup"],
      cyclictest: "",
    });
    const online = readFileSync("/sys/devices/system/cpu/online", "utf8").trim();
    expect(readFileSync(join(boardRoot(), "asked"), "utf8")).toBe(
      `timerlat top --quiet --cpus ${online} --duration 30s --aa-only 50\n`,
    );
  });

  test("is refused by a kernel without the tracer, and without a number", async () => {
    putProgram("rtla", "exit 0");
    put("sys/kernel/tracing/available_tracers", "function nop\n");
    const without = await rtnodectl("latency", "1", "none", "--blame", "50");
    expect(without.stderr).toContain("the kernel has no timerlat tracer (CONFIG_TIMERLAT_TRACER)");
    expect((await rtnodectl("latency", "1", "none", "--blame", "x")).stderr).toContain(
      "'x' is not a number of microseconds",
    );
    expect((await rtnodectl("latency", "1", "none", "--spy", "5")).status).toBe(2);
  });
});

/** What cyclictest's file has of a thread. */
interface Thread {
  readonly histogram?: Record<string, number>;
  readonly cycles: number;
  readonly min: number;
  readonly max: number;
  readonly avg: number;
  readonly cpu: number;
}

/** Whether a process ends. */
async function goes(pid: string): Promise<boolean> {
  for (let looks = 0; looks < 100; looks += 1) {
    if ((await run(["kill", "-0", pid])).status !== 0) return true;
    await sleep(50);
  }
  return false;
}
