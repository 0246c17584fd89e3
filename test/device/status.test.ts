import { mkdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { execa } from "execa";
import { describe, expect, test } from "vitest";
import {
  boardRoot,
  conf,
  launcher,
  program,
  rtnodectl,
  useBoardRoot,
  writeFakeLauncher,
  writeFakes,
} from "./rtnode-root.ts";
import { mayTrace } from "./strace.ts";
import { run } from "./support.ts";
import { scratchDir } from "../scratch.ts";

useBoardRoot();
const traces = await mayTrace();

/** The text output, in words. */
async function table(): Promise<string[][]> {
  const { stdout } = await rtnodectl("status");
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.split(/ +/));
}

describe("status", () => {
  test("of a node with statistics: how often it ran, how late, and what disturbed it; of one that was refused: why", async () => {
    const stats = { cycles: 1000, overruns: 2, minorFaults: 3, majorFaults: 4, wakeupUs: { p50: 5, p99: 17 } };
    const shown = { name: "x", pid: 5, policy: "fifo", priority: 40, cpus: "3", lockedKiB: 9, stats, threads: [] };
    writeFakeLauncher(`echo '${JSON.stringify(shown)}'`);
    conf("imu", "");
    const reason = "sched_setattr: EPERM: RLIMIT_RTPRIO is 0, policy=fifo";
    writeFakes({ show: `ActiveState=activating\nMainPID=5\nNRestarts=7\nStatusText=${reason}` });
    expect(JSON.parse((await rtnodectl("status", "--json")).stdout).nodes).toMatchObject([
      { restarts: 7, reason, stats },
    ]);
    const row = ["imu", "activating", "5", "fifo", "40", "3", "9", "1000", "2", "17", "3+4"];
    expect((await table())[1]).toEqual(row);
  });

  test("of a node that runs: what rt-launch shows of its process, under the node's name", async () => {
    const child = execa("sleep", ["60"]);
    try {
      const pid = child.pid ?? 0;
      conf("imu", "");
      writeFakes({ show: `ActiveState=active\nMainPID=${pid}`, version: "#1 SMP PREEMPT_RT Debian" });
      const { stdout, status } = await rtnodectl("status", "--json");
      expect(status).toBe(0);
      const { name, ...shown } = JSON.parse((await run([launcher(), "show", "--json", String(pid)])).stdout);
      expect(name).toBe("sleep");
      expect(JSON.parse(stdout)).toEqual({
        release: "abc123",
        previous: null,
        pending: null,
        record: null,
        signed: false,
        newestRecord: 0,
        wentBack: null,
        kernel: { version: "6.12.0-rt", realtime: true, isolatedCpus: null },
        architecture: "x86_64",
        board: null,
        uptimeSeconds: null,
        temperatureC: null,
        throttling: null,
        nodes: [{ name: "imu", state: "active", restarts: 0, reason: null, ...shown }],
      });
      const cpus = /^Cpus_allowed_list:\t(.*)$/m.exec(readFileSync(`/proc/${pid}/status`, "utf8"))?.[1];
      const scheduling = { policy: "other", priority: 0, cpus };
      expect(shown).toMatchObject({ pid, ...scheduling, lockedKiB: 0, threads: [{ tid: pid, name, ...scheduling }] });
      expect(await table()).toEqual([
        ["NAME", "STATE", "PID", "POLICY", "PRIORITY", "CPUS", "LOCKEDKIB", "CYCLES", "OVERRUNS", "P99/US", "FAULTS"],
        ["imu", "active", String(pid), "other", "0", cpus, "0", "-", "-", "-", "-+-"],
      ]);
    } finally {
      child.kill();
      await child.catch(() => undefined);
    }
  });

  test("of a process that calls itself what looks like JSON, and of threads that do", async () => {
    const thread = { tid: 77, name: '"policy":"rr"}', policy: "fifo", priority: 33, cpus: "0-2,5" };
    const shown = { pid: 77, ...thread, lockedKiB: 1234, threads: [thread], tid: undefined };
    const json = JSON.stringify({ ...shown, name: undefined }).replace("{", `{"name":${JSON.stringify('"pid":1,"x')},`);
    writeFakeLauncher(`printf '%s\\n' '${json}'`);
    conf("imu", "");
    writeFakes({ show: "ActiveState=active\nMainPID=77" });
    const { nodes } = JSON.parse((await rtnodectl("status", "--json")).stdout);
    expect(nodes).toEqual([
      JSON.parse(JSON.stringify({ ...shown, name: "imu", state: "active", restarts: 0, reason: null })),
    ]);
    expect((await table())[1]).toEqual(["imu", "active", "77", "fifo", "33", "0-2,5", "1234", "-", "-", "-", "-+-"]);
  });

  test("of a process without memory, and one whose CPUs are not known", async () => {
    writeFakeLauncher(
      'echo \'{"name":"x","pid":5,"policy":"other","priority":0,"cpus":null,"lockedKiB":null,"threads":[]}\'',
    );
    conf("imu", "");
    writeFakes({ show: "ActiveState=active\nMainPID=5" });
    expect((await table())[1]).toEqual(["imu", "active", "5", "other", "0", "-", "-", "-", "-", "-", "-+-"]);
  });

  const nothing = {
    restarts: 0,
    reason: null,
    pid: null,
    policy: null,
    priority: null,
    cpus: null,
    lockedKiB: null,
    stats: null,
    threads: [],
  };

  test("of a node that ended since systemd was asked: no process, no complaint", async () => {
    writeFakeLauncher("echo 'rt-launch: show: there is no process 5' >&2; exit 1");
    conf("imu", "");
    writeFakes({ show: "ActiveState=active\nMainPID=5" });
    const { status, stdout } = await rtnodectl("status", "--json");
    expect(status).toBe(0);
    expect(JSON.parse(stdout).nodes).toEqual([{ name: "imu", state: "active", ...nothing }]);
    expect((await table())[1]).toEqual(["imu", "active", "-", "-", "-", "-", "-", "-", "-", "-", "-+-"]);
  });

  test("a launcher that cannot tell is complained of", async () => {
    writeFakeLauncher("exit 125");
    conf("imu", "");
    writeFakes({ show: "ActiveState=active\nMainPID=5" });
    const { status, stdout, stderr } = await rtnodectl("status", "--json");
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: `rtnodectl: ${launcher()} cannot say how the processes 5 are\n`,
    });
    expect(JSON.parse(stdout).nodes).toEqual([{ name: "imu", state: "active", ...nothing }]);
  });

  test("of a node that does not run, without a release, without a real-time kernel", async () => {
    conf("imu", "");
    writeFakes({ show: "ActiveState=failed\nMainPID=0" });
    const first = JSON.parse((await rtnodectl("status", "--json")).stdout);
    expect(first.kernel.realtime).toBe(false);
    expect(first.nodes).toEqual([{ name: "imu", state: "failed", ...nothing }]);
    writeFileSync(join(boardRoot(), "sys/kernel/realtime"), "1\n");
    mkdirSync(join(boardRoot(), "sys/devices/system/cpu"), { recursive: true });
    writeFileSync(join(boardRoot(), "sys/devices/system/cpu/isolated"), "2-3\n");
    rmSync(join(boardRoot(), "opt/rtnode/current"));
    const second = JSON.parse((await rtnodectl("status", "--json")).stdout);
    expect(second).toMatchObject({ release: null, kernel: { realtime: true, isolatedCpus: "2-3" }, nodes: [] });
  });
});

/** One node's answer of a launcher that is told what to say. */
const shown = (pid: number): string =>
  JSON.stringify({
    name: `"pid":${pid + 1},`,
    pid,
    policy: "fifo",
    priority: 40,
    cpus: "3",
    lockedKiB: 1,
    threads: [],
  });

/** systemctl that gives each of the nodes another process, from 101 on. */
function runNodes(count: number): void {
  for (let node = 1; node <= count; node += 1) conf(`n${node}`, "");
  writeFakes({});
  writeFileSync(
    join(boardRoot(), "bin/systemctl"),
    `#!/bin/sh
shift 3
for unit; do
  number=\${unit#rtnode@n} number=\${number%.service}
  printf 'MainPID=%s\\nNRestarts=0\\nStatusText=a=b\\\\ c\\nId=%s\\nActiveState=active\\n\\n' $((number + 100)) "$unit"
done`,
  );
  const [before = "", after = ""] = shown(0).split('"pid":0');
  writeFakeLauncher(`shift 2\nfor pid; do printf '%s"pid":%s%s\\n' '${before}' "$pid" '${after}'; done`);
}

/** How many programs it takes to say how so many nodes are. */
async function programs(count: number): Promise<number> {
  runNodes(count);
  const trace = join(scratchDir("strace-"), "trace");
  const path = `${join(boardRoot(), "bin")}:${process.env["PATH"] ?? ""}`;
  const words = ["-f", "-o", trace, "-e", "trace=execve", "sh", program, "status", "--json"];
  await execa("strace", words, { env: { RTNODE_ROOT: boardRoot(), PATH: path } });
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.endsWith(" = 0")).length;
}

/** Files of the kernel, by path. */
function kernelFiles(files: Readonly<Record<string, string>>): void {
  for (const [path, text] of Object.entries(files)) {
    mkdirSync(dirname(join(boardRoot(), path)), { recursive: true });
    writeFileSync(join(boardRoot(), path), text);
  }
}
const facts = async (): Promise<Record<string, unknown>> => {
  const { uptimeSeconds, temperatureC, throttling, board } = JSON.parse((await rtnodectl("status", "--json")).stdout);
  return { uptimeSeconds, temperatureC, throttling, board };
};

describe("of several nodes", () => {
  test("each has its own process and state", async () => {
    runNodes(12);
    const { nodes } = JSON.parse((await rtnodectl("status", "--json")).stdout);
    const expected = Array.from({ length: 12 }, (_, index) => `n${index + 1}`).toSorted();
    expect(nodes.map(({ name }: { name: string }) => name)).toEqual(expected);
    for (const { name, pid, state, reason, policy } of nodes) {
      expect({ pid, state, reason, policy }).toEqual({
        pid: 100 + Number(name.slice(1)),
        state: "active",
        reason: "a=b\\ c",
        policy: "fifo",
      });
    }
    expect((await table()).slice(1).map(([name, , pid]) => [name, pid])).toEqual(
      expected.map((name) => [name, `${100 + Number(name.slice(1))}`]),
    );
  });

  test("when systemd does not answer each is there, its state unknown, and that is said once", async () => {
    runNodes(3);
    writeFileSync(join(boardRoot(), "bin/systemctl"), "#!/bin/sh\necho 'Failed to connect to bus' >&2; exit 1\n");
    const { status, stdout, stderr } = await rtnodectl("status", "--json");
    expect(status).toBe(1);
    expect(stderr).toBe("Failed to connect to bus\nrtnodectl: systemctl cannot say how the nodes are\n");
    expect(JSON.parse(stdout).nodes).toMatchObject(
      ["n1", "n2", "n3"].map((name) => ({ name, state: "unknown", pid: null })),
    );
  });

  test.skipIf(!traces)("thirty cost as many programs as one", async () => {
    expect(await programs(30)).toBe(await programs(1));
  });
});

describe("what a board says of itself", () => {
  test("a Raspberry Pi: its model, since when it runs, how hot it is, and that its power is not enough", async () => {
    kernelFiles({
      "proc/device-tree/model": "Raspberry Pi 4 Model B Rev 1.4\0",
      "proc/uptime": "273943.55 1048212.10\n",
      "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
      "sys/class/thermal/thermal_zone0/temp": "52095\n",
      "sys/class/thermal/thermal_zone1/type": "iwlwifi_1\n",
      "sys/class/thermal/thermal_zone1/temp": "90000\n",
      "sys/class/thermal/cooling_device0/type": "cpufreq-cpu0\n",
      "sys/class/thermal/cooling_device0/cur_state": "0\n",
      "sys/class/hwmon/hwmon0/name": "cpu_thermal\n",
      "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
      "sys/class/hwmon/hwmon1/in0_lcrit_alarm": "1\n",
    });
    expect(await facts()).toEqual({
      board: "Raspberry Pi 4 Model B Rev 1.4",
      uptimeSeconds: 273_943,
      temperatureC: 52,
      throttling: { underVoltage: true, frequencyCapped: false },
    });
  });

  test("a PC: the hottest of its processor's zones, and that it is held back; nothing is known of its power", async () => {
    kernelFiles({
      "sys/class/dmi/id/product_name": 'Box "7"\n',
      "sys/class/thermal/thermal_zone0/type": "x86_pkg_temp\n",
      "sys/class/thermal/thermal_zone0/temp": "99950\n",
      "sys/class/thermal/thermal_zone1/type": "soc-thermal\n",
      "sys/class/thermal/thermal_zone1/temp": "-5250\n",
      "sys/class/thermal/cooling_device0/type": "Processor\n",
      "sys/class/thermal/cooling_device0/cur_state": "0\n",
      "sys/class/thermal/cooling_device1/type": "Processor\n",
      "sys/class/thermal/cooling_device1/cur_state": "3\n",
    });
    expect(await facts()).toMatchObject({
      board: 'Box "7"',
      temperatureC: 99.9,
      throttling: { underVoltage: null, frequencyCapped: true },
    });
  });

  test("files that say nothing of use are null", async () => {
    kernelFiles({
      "proc/uptime": "soon\n",
      "sys/class/thermal/thermal_zone0/type": "cpu-thermal\n",
      "sys/class/thermal/thermal_zone0/temp": "\n",
      "sys/class/hwmon/hwmon1/name": "rpi_volt\n",
    });
    expect(await facts()).toEqual({ board: null, uptimeSeconds: null, temperatureC: null, throttling: null });
  });
});
