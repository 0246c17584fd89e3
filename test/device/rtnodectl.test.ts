import { execa } from "execa";
import { chmodSync, existsSync, mkdirSync, readdirSync, readFileSync, readlinkSync, rmSync } from "node:fs";
import { symlinkSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { beforeAll, beforeEach, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms, deviceDir, run } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

const program = join(rtkitRoot, "src", "device", "rtnodectl");
let root: string;

beforeAll(buildDevicePrograms);

beforeEach(() => {
  root = scratchDir("rtnodectl-");
  for (const dir of ["opt/rtnode/releases/abc123/nodes", "run", "bin", "usr/lib/rtnode", "sys/kernel"]) {
    mkdirSync(join(root, dir), { recursive: true });
  }
  symlinkSync("releases/abc123", join(root, "opt/rtnode/current"));
  symlinkSync(join(deviceDir, "rt-launch"), launcher());
  writeFileSync(join(root, "usr/lib/rtnode/groups"), "gpio\ni2c\n");
  writeFakes({});
});

const launcher = (): string => join(root, "usr/lib/rtnode/rt-launch");

/** A launcher whose answer to `show` is known. */
function writeFakeLauncher(script: string): void {
  rmSync(launcher());
  writeFileSync(launcher(), `#!/bin/sh\n${script}\n`);
  chmodSync(launcher(), 0o755);
}

/** A systemctl that writes down what it is asked, and an uname that is told what to say. */
function writeFakes({ show = "ActiveState=inactive\nMainPID=0", version = "#1 SMP" }): void {
  const systemctl = `#!/bin/sh
echo "$*" >>'${root}/calls'
[ "$1" = show ] || exit 0
shift 3
for unit; do printf '%s\\nId=%s\\n\\n' '${show}' "$unit"; done
`;
  const uname = `#!/bin/sh\necho '6.12.0-rt ${version} x86_64'\n`;
  for (const [name, text] of Object.entries({ systemctl, uname })) {
    writeFileSync(join(root, "bin", name), text);
    chmodSync(join(root, "bin", name), 0o755);
  }
}

function conf(name: string, text: string): void {
  writeFileSync(join(root, "opt/rtnode/current/nodes", `${name}.conf`), text);
}

function rtnodectl(...words: string[]): Promise<Outcome> {
  const path = `${join(root, "bin")}${delimiter}${process.env["PATH"] ?? ""}`;
  return run(["sh", program, ...words], { RTNODE_ROOT: root, PATH: path });
}

/** What systemctl was asked since the last time, without questions. */
function calls(): string[] {
  const file = join(root, "calls");
  const text = existsSync(file) ? readFileSync(file, "utf8") : "";
  rmSync(file, { force: true });
  return text.split("\n").filter((line) => line !== "" && !line.startsWith("show"));
}

/** The text output, in words. */
async function table(): Promise<string[][]> {
  const { stdout } = await rtnodectl("status");
  return stdout
    .trim()
    .split("\n")
    .map((line) => line.split(/ +/));
}

const units = (): string => join(root, "run/systemd/system");
const dropIn = (node: string): string => join(units(), `rtnode@${node}.service.d/50-node.conf`);
const wants = (): string[] => {
  const dir = join(units(), "rtnode.target.wants");
  return existsSync(dir) ? readdirSync(dir).toSorted() : [];
};

describe("apply", () => {
  test("writes a drop-in and a want for every node, and reloads systemd once", async () => {
    const supervised = "restart always\nnotify\nwatchdog 500ms\ngroups gpio,i2c\n";
    conf("imu", `policy fifo\npriority 40\nprogram /usr/bin/python3\n${supervised}`);
    conf("planner", "program /usr/bin/node\narg restart never");
    expect(await rtnodectl("apply")).toMatchObject({ status: 0, stdout: "", stderr: "" });
    expect(readFileSync(dropIn("imu"), "utf8")).toBe(
      "# Made by rtnodectl from nodes/imu.conf\n[Service]\nType=notify\nWatchdogSec=500ms\nRestart=always\n" +
        "SupplementaryGroups=gpio\nSupplementaryGroups=i2c\n",
    );
    expect(readFileSync(dropIn("planner"), "utf8")).toBe("# Made by rtnodectl from nodes/planner.conf\n[Service]\n");
    expect(wants()).toEqual(["rtnode@imu.service", "rtnode@planner.service"]);
    const link = readlinkSync(join(units(), "rtnode.target.wants/rtnode@imu.service"));
    expect(link).toBe("/usr/lib/systemd/system/rtnode@.service");
    expect(calls()).toEqual(["daemon-reload"]);
  });

  test("a watchdog's time may have many digits, and not so many that systemd could not count them", async () => {
    conf("slow", "watchdog 1234567890123us\n");
    conf("slower", "watchdog 12345678901234s\n");
    expect((await rtnodectl("apply")).stderr).toContain("slower.conf: watchdog '12345678901234s' is not a time");
    expect(readFileSync(dropIn("slow"), "utf8")).toContain("WatchdogSec=1234567890123us\n");
  });

  test("does nothing the second time, but start when it is told to", async () => {
    conf("imu", "restart no\n");
    await rtnodectl("apply");
    calls();
    expect(await rtnodectl("apply", "--start")).toMatchObject({ status: 0 });
    expect(calls()).toEqual(["start --no-block rtnode.target"]);
  });

  test("a changed value is written again, a node that is gone is stopped and removed", async () => {
    conf("imu", "restart no\n");
    conf("old", "restart no\n");
    await rtnodectl("apply");
    calls();
    conf("imu", "restart on-failure\n");
    rmSync(join(root, "opt/rtnode/current/nodes/old.conf"));
    await rtnodectl("apply");
    expect(readFileSync(dropIn("imu"), "utf8")).toContain("Restart=on-failure\n");
    expect(existsSync(dropIn("old"))).toBe(false);
    expect(wants()).toEqual(["rtnode@imu.service"]);
    expect(new Set(calls())).toEqual(new Set(["stop -- rtnode@old.service", "daemon-reload"]));
  });

  test.each([
    ["restart sometimes\n", "restart 'sometimes' is none of no, on-failure, always"],
    ["restart no ExecStart=/bin/sh\n", "restart 'no ExecStart=/bin/sh' is none of no, on-failure, always"],
    ["watchdog soon\n", "watchdog 'soon' is not a time: an integer with us, ms or s"],
    ["watchdog 1s 2s\n", "watchdog '1s 2s' is not a time"],
    ["watchdog 5min\n", "watchdog '5min' is not a time"],
    ["watchdog ms\n", "watchdog 'ms' is not a time"],
    ["watchdog\n", "watchdog '' is not a time"],
    ["groups wheel\n", "group 'wheel' is not among those that the image grants"],
    ["groups gpio *\n", "group '*' is not among those that the image grants"],
    ["groups .*", "group '.*' is not among those that the image grants"],
  ])("refuses %j by name, and applies the other nodes", async (text, message) => {
    conf("bad", text);
    conf("good", "restart no\n");
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr.trimEnd().split("\n")).toEqual([expect.stringContaining(`nodes/bad.conf: ${message}`)]);
    expect(wants()).toEqual(["rtnode@good.service"]);
    expect(readdirSync(units()).toSorted()).toEqual(["rtnode.target.wants", "rtnode@good.service.d"]);
  });

  test("a node that becomes bad is stopped", async () => {
    conf("imu", "restart no\n");
    await rtnodectl("apply");
    conf("imu", "restart perhaps\n");
    expect((await rtnodectl("apply")).status).toBe(1);
    expect(calls()).toContain("stop -- rtnode@imu.service");
    expect(wants()).toEqual([]);
  });

  test.each(["-imu", "Imu", "a b", "a;b", "*", "a".repeat(64)])("refuses the name %j", async (name) => {
    conf(name, "restart no\n");
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("a node's name is 1 to 63 of a-z, 0-9 and -, and does not start with -");
    expect(wants()).toEqual([]);
  });

  test("says when there is no release", async () => {
    rmSync(join(root, "opt/rtnode/current"));
    const outcome = await rtnodectl("apply");
    expect(outcome.status).toBe(1);
    expect(outcome.stderr).toContain("/opt/rtnode/current/nodes: there is no active release\n");
  });
});

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
        kernel: { version: "6.12.0-rt", realtime: true },
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
    writeFileSync(join(root, "sys/kernel/realtime"), "1\n");
    rmSync(join(root, "opt/rtnode/current"));
    const second = JSON.parse((await rtnodectl("status", "--json")).stdout);
    expect(second).toMatchObject({ release: null, kernel: { realtime: true }, nodes: [] });
  });
});

test.each([[[]], [["start"]], [["apply", "--force"]], [["status", "--json", "x"]]])("usage: %j", async (words) => {
  const outcome = await rtnodectl(...words);
  expect(outcome).toMatchObject({ status: 2, stderr: expect.stringMatching(/^usage: rtnodectl apply \[--start\]/) });
});
