import type { Board, NodeConfig } from "../../config/model.ts";
import { usageError } from "../../core/errors.ts";
import { formatCpuList } from "../../core/units.ts";
import { partitionOf } from "../layout.ts";
import type { DiskIdentity } from "../identity.ts";

/**
 * The longest kernel command line: the Pi's firmware takes 1024 characters with the end mark (raspberrypi/linux#140);
 * arm64 and x86 kernels take 2048 (COMMAND_LINE_SIZE).
 */
const MAX_CMDLINE = 1023;

/** CPUs that the project's real-time nodes (`fifo`, `rr`) have for themselves, ascending. CPU 0 runs the rest and is never one of them. */
export function isolatedCpus(project: { readonly nodes: readonly NodeConfig[] }): number[] {
  const cpus = project.nodes
    .filter(({ schedule }) => schedule.policy === "fifo" || schedule.policy === "rr")
    .flatMap(({ schedule }) => schedule.cpus);
  return [...new Set(cpus)].filter((cpu) => cpu !== 0).toSorted((a, b) => a - b);
}

/**
 * The kernel command line, one line without line end: root file system, consoles, real-time words, then the board's own.
 * Throws RTK_IMAGE_CMDLINE when it is too long for the firmware or a word of the board holds white space.
 */
export function kernelCmdline(board: Board, identity: DiskIdentity, isolated: readonly number[]): string {
  const root = rootPartUuid(board, identity);
  const words = [
    `root=PARTUUID=${root}`,
    "rootfstype=ext4",
    "rootwait",
    ...board.consoles.map((console) => `console=${console}`),
    ...realtimeWords(board.cpus, isolated),
    ...board.cmdline,
  ];
  const broken = words.find((word) => word === "" || /\s/.test(word));
  if (broken !== undefined) {
    throw usageError("RTK_IMAGE_CMDLINE", `"${broken}" is not one word of a kernel command line`, {
      hint: `write each word of cmdline and consoles of board ${board.name} as an item of its own`,
    });
  }
  const line = words.join(" ");
  if (line.length > MAX_CMDLINE) {
    throw usageError("RTK_IMAGE_CMDLINE", `the kernel command line has ${line.length} characters`, {
      hint: `shorten cmdline of board ${board.name}: the firmware takes ${MAX_CMDLINE}`,
    });
  }
  return line;
}

/** The PARTUUID of the partition that becomes the root file system. */
export function rootPartUuid(board: Board, identity: DiskIdentity): string {
  const { name } = partitionOf(board.partitions, "root");
  const partition = identity.partitions.find((candidate) => candidate.name === name);
  if (partition === undefined) throw new Error(`identity of another board than ${board.name}`);
  return partition.partUuid;
}

/**
 * Words of Documentation/admin-guide/kernel-parameters.rst. `skew_tick` keeps the CPUs' ticks from meeting on one lock
 * and `nosoftlockup` keeps the watchdog thread away from a busy real-time loop, on any board, and CPUs run at full speed
 * before anything else can say so; the others keep the scheduler, managed and other interrupts, and RCU callbacks off
 * the isolated CPUs, and RCU from hurrying them.
 */
function realtimeWords(cpus: number, isolated: readonly number[]): string[] {
  const everywhere = ["skew_tick=1", "nosoftlockup", "cpufreq.default_governor=performance"];
  if (isolated.length === 0) return everywhere;
  const list = formatCpuList(isolated);
  const others = Array.from({ length: cpus }, (_, cpu) => cpu).filter((cpu) => !isolated.includes(cpu));
  return [
    `isolcpus=domain,managed_irq,${list}`,
    `irqaffinity=${formatCpuList(others)}`,
    `rcu_nocbs=${list}`,
    ...everywhere,
    "rcupdate.rcu_normal_after_boot=1",
  ];
}
