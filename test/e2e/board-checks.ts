import { expect, it } from "vitest";
import type { BoardStatus, RunningBoard } from "./board.ts";

/** What the arm example must be on any board, asked over ssh from the running system. */
export function checkBoard(board: () => RunningBoard): void {
  const ask = (command: string): Promise<string> => board().ask(command);
  const status = async (): Promise<BoardStatus> =>
    JSON.parse(await ask("/usr/lib/rtnode/rtnodectl status --json")) as BoardStatus;

  it("runs a real-time kernel", async () => {
    expect(await ask("cat /sys/kernel/realtime")).toBe("1");
    expect(await ask("uname -v")).toContain("PREEMPT_RT");
    expect((await status()).kernel.realtime).toBe(true);
  });

  it("isolates the CPUs that the nodes asked for", async () => {
    expect(await ask("cat /sys/devices/system/cpu/isolated")).toBe("2-3");
    expect(await ask("cat /proc/irq/default_smp_affinity")).toBe("3");
  });

  it("has each node active with the policy, priority and CPUs it asked for, and its memory locked", async () => {
    const { nodes } = await status();
    expect(nodes.map(({ name, state, policy, priority, cpus }) => ({ name, state, policy, priority, cpus }))).toEqual([
      { name: "controller", state: "active", policy: "fifo", priority: 40, cpus: "3" },
      { name: "planner", state: "active", policy: "fifo", priority: 20, cpus: "2" },
    ]);
    for (const { lockedKiB } of nodes) expect(lockedKiB).toBeGreaterThan(16 * 1024);
  });

  it("says the same in /proc, per thread: only main threads are real-time", async () => {
    for (const { pid, policy, threads } of (await status()).nodes) {
      expect(policy).toBe("fifo");
      const helpers = threads.filter(({ tid }) => tid !== pid);
      for (const helper of helpers) expect(helper).toMatchObject({ policy: "other", priority: 0 });
      // Fields 40 and 41 of stat(5): rt_priority and policy; 1 is SCHED_FIFO.
      const stats = await ask(`cat /proc/${pid}/task/*/stat`);
      const policies = stats.split("\n").map((line) => line.slice(line.lastIndexOf(")") + 2).split(" ")[38]);
      expect(policies.filter((value) => value === "1")).toHaveLength(1);
      expect(policies).toHaveLength(threads.length);
      expect(await ask(`grep VmLck /proc/${pid}/status`)).toMatch(/VmLck:\s+[1-9]\d+ kB/);
    }
    const planner = (await status()).nodes.find(({ name }) => name === "planner");
    expect(planner?.threads.length).toBeGreaterThan(1);
  });

  it("has nodes without huge pages, core dumps or capabilities", async () => {
    for (const { thpDisabled, noNewPrivileges, effectiveCapabilities, limits } of (await status()).nodes) {
      expect({ thpDisabled, noNewPrivileges, effectiveCapabilities, core: limits["core"] }).toEqual({
        thpDisabled: true,
        noNewPrivileges: true,
        effectiveCapabilities: "0".repeat(16),
        core: { soft: 0, hard: 0 },
      });
    }
  });

  it("has nodes that said when they were ready, and whose loops meet no page fault and no collection", async () => {
    for (const { name, state, stats } of (await status()).nodes) {
      expect(await ask(`systemctl show --property=Type --value rtnode@${name}`)).toBe("notify");
      expect(state).toBe("active");
      expect(stats).toMatchObject({ state: "running", minorFaults: 0, majorFaults: 0, collections: 0 });
      expect(stats?.cycles).toBeGreaterThan(0);
    }
    expect(await ask("cd /run/rtnode && stat -c '%a %U' *.stats")).toBe("644 rtnode\n644 rtnode");
  });

  it("runs nodes as rtnode, never as root, and without capabilities", async () => {
    for (const { pid } of (await status()).nodes) {
      expect(await ask(`stat -c %U /proc/${pid}`)).toBe("rtnode");
      expect(await ask(`grep CapEff /proc/${pid}/status`)).toMatch(/CapEff:\s+0+$/);
    }
  });

  it("has nodes that really talk to each other", async () => {
    // A move and its rest take three seconds of the board's time, which is slow where everything is emulated.
    const said = await ask(
      "timeout 120 sh -c 'until journalctl -t planner -o cat | grep -m1 way-point; do sleep 2; done'",
    );
    expect(said).toMatch(/way-point \d of 3: joint at -?\d+\.\d{3} rad, \d+\.\d{3} rad off/);
  });

  it("has no failed unit, and units without mistakes", async () => {
    expect(await ask("systemctl --failed --no-legend --plain")).toBe("");
    expect(await ask("systemctl is-system-running --wait")).toBe("running");
    const units = "rtnode@controller.service rtnode.target rtnode-apply.service rt-tune.service grow-data.service";
    expect(await ask(`systemd-analyze verify --man=no ${units}`)).toBe("");
  });

  it("has whole packages, no swap, its own machine id and host key, and the data partition mounted", async () => {
    expect(await ask("dpkg --audit")).toBe("");
    expect(await ask("tail -n +2 /proc/swaps")).toBe("");
    expect(await ask("cat /etc/machine-id")).toMatch(/^[0-9a-f]{32}$/);
    expect(await ask("ls /etc/ssh/ssh_host_*")).toBe(
      "/etc/ssh/ssh_host_ed25519_key\n/etc/ssh/ssh_host_ed25519_key.pub",
    );
    expect(await ask("findmnt -n -o FSTYPE,OPTIONS /opt/rtnode")).toMatch(/^ext4 .*nosuid/);
    expect(await ask("hostname")).toBe("arm");
  });

  it("applies the rt-limits overlay", async () => {
    // Not kernel.sched_rt_runtime_us: reading it upsets the accounting of Debian's 6.12 (see overlay rt-limits).
    expect(await ask("cat /proc/sys/kernel/timer_migration /proc/sys/vm/stat_interval")).toBe("0\n10");
    expect(await ask("stat -c '%a %U %G' /dev/cpu_dma_latency")).toBe("660 root realtime");
    // ssh goes through PAM, so limits.d applies to it.
    expect(await ask("ulimit -r; ulimit -l")).toBe("98\nunlimited");
  });

  it("lets its user run rtnodectl as root and nothing else", async () => {
    await ask("sudo -n /usr/lib/rtnode/rtnodectl status");
    expect((await board().tryAsk("sudo -n id")).status).not.toBe(0);
  });
}
