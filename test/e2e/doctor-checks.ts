import { spawn } from "node:child_process";
import { once } from "node:events";
import { join } from "node:path";
import { createInterface } from "node:readline";
import { afterAll, beforeAll, expect, it } from "vitest";
import type { BoardFinding } from "../../src/audit/finding.ts";
import type { Mended } from "../../src/cli/doctor/audited.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import type { Look } from "../../src/deploy/node-watch.ts";
import type { RunningBoard } from "./board.ts";
import { rtkit } from "./cli.ts";
import type { Nodes } from "./nodes.ts";

/** Looks of `rtkit status --watch` that are waited for. */
const LOOKS = 12;

const NODE = "loop-python";

/** What somebody does to a running board, as root, and the finding that says so. */
const BREAKS: Readonly<Record<string, string>> = {
  swap: "dd if=/dev/zero of=/var/swapfile bs=1M count=16 status=none; chmod 600 /var/swapfile; /sbin/mkswap -q /var/swapfile; /sbin/swapon /var/swapfile",
  ksm: "echo 1 >/sys/kernel/mm/ksm/run",
  "rt-throttling": "echo -1 >/proc/sys/kernel/sched_rt_runtime_us",
  "kernel-settings": "echo 60 >/proc/sys/vm/swappiness",
  "irq-affinity": "for irq in /proc/irq/*/virtio*-input*; do echo 3 >${irq%/*}/smp_affinity_list; done",
};

/** `rtkit doctor --fix` and `rtkit status --watch` of a running board with loops on CPUs 2 and 3, whose user may be root. */
export function checkDoctor(board: () => RunningBoard, nodes: () => Nodes): void {
  let status: number | undefined;
  let findings: readonly BoardFinding[];
  let mended: readonly Mended[];

  beforeAll(async () => {
    await nodes().start("prints");
    const hog = "--unit=hog -p CPUSchedulingPolicy=fifo -p CPUSchedulingPriority=90 -p CPUAffinity=0-3 sleep 3600";
    await board().ask(`sudo systemd-run --quiet ${hog}`);
    for (const command of Object.values(BREAKS)) await board().ask(`sudo sh -c '${command}'`);
    const run = await rtkit(["doctor", "--ssh-config", board().sshConfig, "--host", "robot@board", "--fix"]);
    const result = run.lines.at(-1) as unknown as { findings: BoardFinding[]; mended: Mended[] };
    if (result.findings === undefined) throw new Error(`${JSON.stringify(result)}\n${run.stderr}`);
    ({ findings, mended } = result);
    ({ status } = run);
  });
  afterAll(async () => void (await board().ask("sudo systemctl stop hog rtnode@prints; sudo rm -f /var/swapfile")));

  const found = (id: string): BoardFinding | undefined => findings.find((finding) => finding.id === id);

  it.each(Object.keys(BREAKS))("rtkit doctor finds %s, and --fix mends it", (id) => {
    expect(mended.find((one) => one.id === id)).toMatchObject({ id, ok: true });
    expect(found(id)?.severity).toBe("ok");
  });

  it("what it says is mended is so on the board", async () => {
    expect(await board().ask("tail -n +2 /proc/swaps; cat /sys/kernel/mm/ksm/run /proc/sys/vm/swappiness")).toBe(
      "0\n0",
    );
    const irqs = "cat $(ls -d /proc/irq/*/virtio*-input* | sed s,/[^/]*$,/smp_affinity_list,) | sort -u";
    expect(await board().ask(irqs)).toBe("0-1");
  });

  it("rtkit doctor names a foreign FIFO 90 task, missing limits and a node that prints, mends none, and ends with 1", () => {
    expect(found("foreign-tasks")).toMatchObject({
      severity: "high",
      evidence: expect.stringMatching(/^sleep \(process \d+, hog\.service, fifo 90\)$/),
    });
    expect(found("isolated-tasks")?.evidence).toContain("hog.service");
    expect(found("service-limits")).toMatchObject({
      severity: "high",
      evidence: expect.stringContaining("rtnode@no-priority.service: LimitRTPRIO=0"),
    });
    expect(found("node-writes")?.evidence).toMatch(/of prints: \d+ writes/);
    expect(found("node-writes")?.evidence).not.toContain(NODE);
    expect(status).toBe(1);
  });

  it("rtkit doctor has nothing to say of what nobody broke, and says that it is a virtual machine", () => {
    for (const id of [
      "kernel-realtime",
      "rt-group-sched",
      "command-line",
      "isolated-cpus",
      "fair-server",
      "node-memory",
    ]) {
      expect(found(id), id).toMatchObject({ severity: "ok" });
    }
    expect(found("virtual-machine")?.severity).toBe("info");
  });

  it("rtkit status --watch shows the nodes each second; by one process on the board, which then ends", async () => {
    const words = ["status", "--watch", "--ssh-config", board().sshConfig, "--host", "robot@board", "--json"];
    const watch = spawn(join(rtkitRoot, "bin/rtkit"), words, { stdio: ["ignore", "pipe", "inherit"] });
    const looks: Look[] = [];
    const cost = async (): Promise<number[]> =>
      (await board().ask("cat /proc/$(pidof rt-launch)/schedstat /proc/uptime")).split(/\s/).map(Number);
    let before: number[] = [];
    for await (const line of createInterface({ input: watch.stdout })) {
      looks.push(JSON.parse(line) as Look);
      if (looks.length === 2) before = await cost();
      if (looks.length === LOOKS) break;
    }
    const after = await cost();
    watch.kill("SIGINT");
    expect(await once(watch, "exit")).toEqual([130, null]);
    const [ranNs = 0, , , seconds = 0] = after.map((value, index) => value - (before[index] ?? 0));
    const percent = (ranNs / 1e7 / seconds).toFixed(2);
    // The board counts the time, too, in which this machine did not let it run.
    process.stdout.write(`rt-launch show --watch: ${percent} % of an emulated CPU over ${seconds.toFixed(0)} s\n`);
    const seen = looks.map(({ nodes: all }) => all.find(({ name }) => name === NODE));
    expect(seen.every((node) => node?.pid === seen[0]?.pid && node?.stats?.minorFaults === 0)).toBe(true);
    const cycles = seen.map((node) => node?.stats?.cycles ?? 0);
    expect(cycles).toEqual(cycles.toSorted((a, b) => a - b));
    expect(cycles.at(-1)).toBeGreaterThan(cycles[0] ?? 0);
    const { output } = await board().tryAsk("sleep 3; pidof rt-launch || echo none");
    expect(output).toBe("none");
  });
}
