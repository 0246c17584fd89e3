import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { mkdirSync, readFileSync, renameSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterEach, beforeAll, beforeEach, describe, expect, test } from "vitest";
import type { Look } from "../../src/deploy/node-watch.ts";
import { compileWith } from "./compile.ts";
import { drive, type Driven } from "./driver.ts";
import { boardRoot, conf, useBoardRoot } from "./rtnode-root.ts";
import { mayTrace } from "./strace.ts";
import { deviceDir, launcherNames } from "./support.ts";

useBoardRoot();

let driver = "";
let node: Driven | undefined;
let watch: ChildProcess | undefined;
beforeAll(async () => {
  driver = await compileWith("librtnode.so", ["driver.c"]);
});
beforeEach(() => {
  mkdirSync(join(boardRoot(), "run/rtnode"), { recursive: true });
  // Memory of processes is asked of the real kernel.
  symlinkSync("/proc", join(boardRoot(), "proc"));
});
afterEach(() => {
  node?.kill("SIGKILL");
  watch?.kill("SIGKILL");
});

/** Starts a process that publishes as a node does, in the control group of the node's service. */
async function startNode(name: string, usedUs: number): Promise<Driven> {
  const started = drive([driver], { RTNODE_RUNTIME_DIR: join(boardRoot(), "run/rtnode") });
  await started.tell(`begin ${name}`);
  await started.tell("loop 1000000 0");
  group(name, started.pid, usedUs);
  return started;
}

function group(name: string, pid: number, usedUs: number): void {
  const dir = join(boardRoot(), "sys/fs/cgroup/system.slice/system-rtnode.slice", `rtnode@${name}.service`);
  mkdirSync(dir, { recursive: true });
  // Read again and again through one descriptor, as files of the kernel are.
  writeFileSync(join(dir, "cgroup.procs"), `${pid}\n`);
  writeFileSync(join(dir, "cpu.stat"), `usage_usec ${usedUs}\nuser_usec 1\nsystem_usec 1\n`);
}

/** Starts it; each call waits for the next line. */
function start(...words: string[]): () => Promise<Look> {
  const [file = "", ...args] = [...words, "show", "--watch"];
  watch = spawn(file, args, {
    env: { ...process.env, RTNODE_ROOT: boardRoot() },
    stdio: ["ignore", "pipe", "inherit"],
  });
  const lines = createInterface({ input: watch.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  return async () => JSON.parse(String((await lines.next()).value)) as Look;
}

function byName({ nodes }: Look): Look["nodes"] {
  return nodes.toSorted((a, b) => a.name.localeCompare(b.name));
}

const launcher = join(deviceDir, "rt-launch");

describe.each(launcherNames)("%s show --watch", (name) => {
  const program = join(deviceDir, name);

  test("says each second what was added, of the node that runs, and that the other does not", async () => {
    conf("imu", "policy fifo\n");
    conf("planner", "policy fifo\n");
    writeFileSync(join(boardRoot(), "opt/rtnode/current/nodes/manifest.json"), "{}");
    node = await startNode("imu", 5_000_000);
    await node.tell("turns 20");
    const next = start(program);
    const first = await next();
    expect(first.seconds).toBe(0);
    expect(byName(first)).toMatchObject([
      { name: "imu", pid: node.pid, cpuPercent: null, stats: { state: "running", periodUs: 1000, last: null } },
      { name: "planner", pid: null, cpuPercent: null, memoryKiB: null, stats: null },
    ]);
    const before = first.nodes.find(({ pid }) => pid !== null)?.stats?.cycles ?? 0;
    await node.tell("turns 150");
    group("imu", node.pid, 5_500_000);
    let added = 0;
    let used = 0;
    // The turns may fall on both sides of a look.
    while (added < 150) {
      const look = await next();
      const [imu] = byName(look);
      const last = imu?.stats?.last;
      added += last?.cycles ?? 0;
      used += (imu?.cpuPercent ?? 0) * look.seconds * 10_000;
      expect(imu?.stats?.cycles).toBe(before + added);
      if ((last?.cycles ?? 0) >= 100) {
        const times = last?.wakeupUs;
        expect(times?.p50).toBeLessThanOrEqual(times?.p99 ?? 0);
        expect(times?.p99).toBeLessThanOrEqual(times?.max ?? 0);
      } else expect(last?.wakeupUs?.p99 ?? null).toBe(null);
    }
    expect(used).toBeCloseTo(500_000, -3);
    const rss = /VmRSS:\s+(\d+)/.exec(readFileSync(`/proc/${node.pid}/status`, "utf8"))?.[1];
    const { nodes } = await next();
    const seen = nodes.find(({ pid }) => pid !== null);
    expect(Math.abs((seen?.memoryKiB ?? 0) - Number(rss))).toBeLessThan(512);
    expect(seen?.stats?.last).toMatchObject({ cycles: 0, wakeupUs: null });
  });
});

test("follows a deploy to other nodes, and a start of the same one", async () => {
  conf("imu", "policy fifo\n");
  node = await startNode("imu", 0);
  await node.tell("turns 5");
  const next = start(launcher);
  expect((await next()).nodes.map(({ name }) => name)).toEqual(["imu"]);
  node.kill("SIGKILL");
  await node.end();
  node = await startNode("imu", 0);
  const again = node.pid;
  let look = await next();
  while (look.nodes[0]?.pid !== again || look.nodes[0].stats === null) look = await next();
  expect(look.nodes[0]).toMatchObject({ name: "imu", pid: again, stats: { last: null } });
  const other = join(boardRoot(), "opt/rtnode/releases/def456/nodes");
  mkdirSync(other, { recursive: true });
  writeFileSync(join(other, "arm.conf"), "policy fifo\n");
  writeFileSync(join(other, "..odd.conf"), "");
  symlinkSync("releases/def456", join(boardRoot(), "opt/rtnode/new"));
  renameSync(join(boardRoot(), "opt/rtnode/new"), join(boardRoot(), "opt/rtnode/current"));
  while (look.nodes[0]?.name === "imu") look = await next();
  expect(look.nodes).toMatchObject([{ name: "arm", pid: null }]);
  rmSync(join(boardRoot(), "opt/rtnode/current"));
  while (look.nodes.length > 0) look = await next();
});

test("takes no statistics that are not the node's, or of another layout", async () => {
  conf("imu", "policy fifo\n");
  node = await startNode("imu", 0);
  const file = join(boardRoot(), "run/rtnode/imu.stats");
  writeFileSync(`${file}.new`, readFileSync(file).subarray(0, 1000));
  renameSync(`${file}.new`, file);
  const next = start(launcher);
  expect((await next()).nodes[0]).toMatchObject({ pid: node.pid, stats: null });
  // Somebody else's process is in the group.
  group("imu", process.pid, 0);
  expect((await next()).nodes[0]).toMatchObject({ pid: process.pid, stats: null });
});

test("ends when nobody reads", async () => {
  const next = start(launcher);
  await next();
  watch?.stdout?.destroy();
  const [status, signal] = (await once(watch as ChildProcess, "exit")) as [number | null, string | null];
  expect([status, signal]).toEqual([null, "SIGPIPE"]);
});

test.skipIf(!(await mayTrace()))(
  "starts no process and asks for no memory once it runs, and opens the files of a node once",
  async () => {
    conf("imu", "policy fifo\n");
    node = await startNode("imu", 0);
    const file = join(boardRoot(), "trace");
    const next = start("strace", "-f", "-o", file, launcher);
    for (let looks = 0; looks < 4; looks += 1) await next();
    const text = readFileSync(file, "utf8");
    const sleeps = text.split("clock_nanosleep");
    const names = [...(sleeps[2] ?? "").matchAll(/^\d+ +(\w+)\(/gm)].map(([, name = ""]) => name);
    expect(names).toContain("write");
    const cheap = new Set(["stat", "lstat", "newfstatat", "pread64", "write"]);
    expect(names.filter((name) => !cheap.has(name))).toEqual([]);
  },
);
