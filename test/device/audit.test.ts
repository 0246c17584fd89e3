import { readFileSync } from "node:fs";
import { release } from "node:os";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseAudit, type AuditFacts } from "../../src/audit/facts.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
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

  test("is what rtnodectl audit runs", async () => {
    const { status, stdout } = await rtnodectl("audit");
    expect(status).toBe(0);
    expect(parseAudit(stdout)?.isWhole).toBe(true);
  });
});
