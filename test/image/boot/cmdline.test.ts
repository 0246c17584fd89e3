import { describe, expect, it } from "vitest";
import { RtkitError } from "../../../src/core/errors.ts";
import { isolatedCpus, kernelCmdline } from "../../../src/image/boot/cmdline.ts";
import { diskIdentity } from "../../../src/image/identity.ts";
import { node, rpi4 } from "../fixtures.ts";

const identity = diskIdentity("arm", rpi4);
const root = `root=PARTUUID=${identity.diskId}-02 rootfstype=ext4 rootwait console=tty0 console=ttyS1,115200`;

describe("isolatedCpus", () => {
  it("takes the CPUs of real-time nodes, without CPU 0", () => {
    const nodes = [
      node("imu", { policy: "fifo", priority: 40, cpus: [3, 2] }),
      node("motor", { policy: "rr", priority: 30, cpus: [3, 0] }),
      node("planner", { policy: "other", nice: 0, cpus: [1] }),
    ];
    expect(isolatedCpus({ nodes })).toEqual([2, 3]);
  });

  it("isolates nothing for nodes that run anywhere", () => {
    expect(isolatedCpus({ nodes: [node("imu", { policy: "fifo", priority: 40, cpus: [] })] })).toEqual([]);
  });
});

describe("kernelCmdline", () => {
  it("keeps everything off the isolated CPUs", () => {
    expect(kernelCmdline(rpi4, identity, [3])).toBe(
      `${root} isolcpus=domain,managed_irq,3 irqaffinity=0-2 rcu_nocbs=3 skew_tick=1 nosoftlockup cpufreq.default_governor=performance rcupdate.rcu_normal_after_boot=1 rw`,
    );
    expect(kernelCmdline(rpi4, identity, [1, 3])).toContain(
      "isolcpus=domain,managed_irq,1,3 irqaffinity=0,2 rcu_nocbs=1,3",
    );
  });

  it("keeps what helps any real-time node when nothing is isolated", () => {
    expect(kernelCmdline(rpi4, identity, [])).toBe(
      `${root} skew_tick=1 nosoftlockup cpufreq.default_governor=performance rw`,
    );
  });

  it("refuses what is not one word, and more than the firmware takes", () => {
    const refusal = (cmdline: readonly string[]): string => {
      try {
        return kernelCmdline({ ...rpi4, cmdline }, identity, []);
      } catch (error) {
        if (error instanceof RtkitError && error.code === "RTK_IMAGE_CMDLINE") return error.message;
        throw error;
      }
    };
    expect(refusal(["quiet splash"])).toBe('"quiet splash" is not one word of a kernel command line');
    expect(refusal([""])).toBe('"" is not one word of a kernel command line');
    const fitting = 1023 - kernelCmdline({ ...rpi4, cmdline: [] }, identity, []).length - 1;
    expect(refusal(["x".repeat(fitting)])).toHaveLength(1023);
    expect(refusal(["x".repeat(fitting + 1)])).toBe("the kernel command line has 1024 characters");
  });
});
