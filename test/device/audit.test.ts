import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAudit, type AuditFacts } from "../../src/audit/facts.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import { rtnodectl, useBoardRoot } from "./rtnode-root.ts";
import { run } from "./support.ts";

useBoardRoot();

const probe = join(rtkitRoot, "src/device/audit.sh");

async function ask(...before: string[]): Promise<AuditFacts> {
  const { status, stdout, stderr } = await run([...before, "sh", probe]);
  expect([status, stderr]).toEqual([0, ""]);
  const facts = parseAudit(stdout);
  if (facts === undefined) throw new Error(stdout);
  return facts;
}

describe("the audit's probe", () => {
  test("tells of the system that it runs on, whole, by any shell", async () => {
    const facts = await ask();
    expect(facts).toMatchObject({ isRoot: process.getuid?.() === 0, kernel: release(), isWhole: true });
    expect(facts.files.get("/proc/cmdline")?.[0]).toBe(readFileSync("/proc/cmdline", "utf8").trimEnd());
    expect(facts.files.get("/sys/devices/system/cpu/online")).toBeDefined();
    const own = facts.tasks.find(({ tid }) => tid === process.pid);
    expect(own).toMatchObject({ pid: process.pid, isKernel: false, policy: "other" });
    expect(own?.cpus.length).toBeGreaterThan(0);
  });

  test("says which interrupts can be moved: those whose file its owner may write to", async () => {
    const dir = scratchDir("audit-");
    for (const [number, mode] of [
      ["7", 0o644],
      ["8", 0o444],
    ] as const) {
      mkdirSync(join(dir, number));
      writeFileSync(join(dir, number, "smp_affinity_list"), "0-3\n", { mode });
    }
    const { stdout } = await run(["sh", "-c", readFileSync(probe, "utf8").replace("find /proc/irq", `find ${dir}`)]);
    expect(stdout).toContain(`${dir}/7/smp_affinity_list\n`);
    expect(stdout).not.toContain(`${dir}/8/`);
  });

  test("names the thread of a program as its process's", async () => {
    const { tasks } = await ask();
    expect(tasks.filter(({ pid }) => pid === process.pid).length).toBeGreaterThan(1);
  });

  test.skipIf(process.getuid?.() !== 0)("works for a user who is nobody", async () => {
    const { status, stdout } = await run([
      "setpriv",
      "--reuid=65534",
      "--regid=65534",
      "--clear-groups",
      "sh",
      "-c",
      readFileSync(probe, "utf8"),
    ]);
    expect(status).toBe(0);
    expect(parseAudit(stdout)).toMatchObject({ isRoot: false, isWhole: true });
  });

  test("tells of a node with many threads all that the launcher shows", async () => {
    const dir = scratchDir("audit-");
    const program = (name: string, ...lines: string[]): void =>
      writeFileSync(join(dir, name), `#!/bin/sh\n${lines.join("\n")}\n`, { mode: 0o755 });
    const { pid } = process;
    mkdirSync(join(dir, "nodes"));
    writeFileSync(join(dir, "nodes", "imu.conf"), "policy fifo\npriority 40\n");
    const threads = Array.from({ length: 50 }, (_, index) => ({ tid: index, name: "x".repeat(100) }));
    const shown = { pid, policy: "fifo", priority: 40, cpus: "0", lockedKiB: 1, limits: {}, stats: null, threads };
    program("systemctl", `echo 'Id=rtnode@imu.service'; echo 'ActiveState=active'; echo 'MainPID=${pid}'`);
    program("rt-launch", `cat <<'END'`, JSON.stringify(shown), "END");
    const text = readFileSync(probe, "utf8")
      .replace("launcher=/usr/lib/rtnode/rt-launch", `launcher=${dir}/rt-launch`)
      .replaceAll("/opt/rtnode/current", dir);
    const { stdout } = await run(["sh", "-c", text], { PATH: `${dir}:${process.env["PATH"] ?? ""}` });
    expect(JSON.stringify(shown).length).toBeGreaterThan(6000);
    expect(parseAudit(stdout)?.nodes).toMatchObject([{ name: "imu", pid, shown }]);
  });

  test("is what rtnodectl audit runs", async () => {
    const { status, stdout } = await rtnodectl("audit");
    expect(status).toBe(0);
    expect(parseAudit(stdout)?.isWhole).toBe(true);
  });
});
