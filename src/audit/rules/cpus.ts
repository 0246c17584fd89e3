import { formatCpuList } from "../../core/units.ts";
import { common } from "../../core/cpu-list.ts";
import type { AuditFacts, Interrupt } from "../facts.ts";
import {
  describeTask,
  few,
  foreignTasks,
  isolatedCpus,
  isVirtual,
  matching,
  nodeCpus,
  ok,
  realtimeNodes,
  unseen,
  value,
  type Rule,
} from "../rule.ts";

/** The processor: which CPUs are whose, and how fast they are. */
export const CPU_RULES: readonly Rule[] = [
  {
    id: "isolated-cpus",
    area: "cpus",
    severities: ["medium", "info"],
    why: "on a CPU that is not isolated the scheduler puts other tasks before and beside a node",
    source: "Documentation/admin-guide/kernel-parameters.txt, isolcpus=",
    remedy:
      "name the CPUs in the nodes' schedule and build the image, which isolates them; elsewhere add isolcpus= and reboot",
    judge: (facts) => {
      const path = "/sys/devices/system/cpu/isolated";
      const isolated = isolatedCpus(facts);
      const evidence = `${path}: ${isolated.length === 0 ? "none" : formatCpuList(isolated)}`;
      if (isolated.includes(0)) {
        return { severity: "medium", evidence: `${evidence}; the kernel's own work is on CPU 0` };
      }
      const wanted = nodeCpus(facts);
      const missing = wanted.filter((cpu) => !isolated.includes(cpu));
      if (missing.length > 0)
        return { severity: "medium", evidence: `${evidence}; nodes ask for ${formatCpuList(wanted)}` };
      return isolated.length === 0 && wanted.length === 0 ? { severity: "info", evidence } : ok(evidence);
    },
  },
  {
    id: "isolated-tasks",
    area: "cpus",
    severities: ["medium"],
    why: "an isolated CPU is the node's alone: what else may run there disturbs its caches, and runs before it with a higher priority",
    source: "Documentation/admin-guide/kernel-parameters.txt, isolcpus=",
    remedy: "take the CPUs out of CPUAffinity= of its unit, or: taskset --pid --cpu-list OTHERS PID",
    judge: (facts) => {
      const isolated = isolatedCpus(facts);
      if (isolated.length === 0) return undefined;
      const there = foreignTasks(facts).filter(({ cpus }) => common(cpus, isolated).length > 0);
      if (there.length === 0) return ok(`no other program may run on CPUs ${formatCpuList(isolated)}`);
      const evidence = few(there.map((task) => `${describeTask(task)} may run on ${formatCpuList(task.cpus)}`));
      return { severity: "medium", evidence };
    },
  },
  {
    id: "irq-affinity",
    area: "cpus",
    severities: ["medium", "info"],
    why: "an interrupt on a node's CPU stops the node for as long as it takes",
    source: "Documentation/core-api/irq/irq-affinity.rst",
    remedy: "echo the other CPUs into /proc/irq/NUMBER/smp_affinity_list, as root",
    mends: "interrupts",
    judge: (facts) => {
      const isolated = isolatedCpus(facts);
      if (isolated.length === 0) return undefined;
      const there = facts.interrupts.filter((irq) => canMove(irq) && common(placesOf(irq), isolated).length > 0);
      if (there.length > 0) {
        const lines = there.map((irq) => `/proc/irq/${irq.number} (${irq.name}): on ${formatCpuList(placesOf(irq))}`);
        return { severity: "medium", evidence: few(lines) };
      }
      const path = "/proc/irq/default_smp_affinity";
      const mask = value(facts, path);
      const future = common(parseMask(mask ?? ""), isolated);
      if (future.length > 0)
        return { severity: "info", evidence: `${path}: ${mask}, which has ${formatCpuList(future)}` };
      return ok(`no interrupt that can be moved is on CPUs ${formatCpuList(isolated)}`);
    },
  },
  {
    id: "irqbalance",
    area: "cpus",
    severities: ["medium"],
    why: "it moves interrupts between CPUs every ten seconds, against what was set",
    source: "irqbalance(1)",
    remedy: "sudo systemctl disable --now irqbalance.service",
    judge: ({ units }) =>
      units.has("irqbalance.service") ? { severity: "medium", evidence: "irqbalance.service is active" } : undefined,
  },
  {
    id: "governor",
    area: "cpus",
    severities: ["high"],
    why: "other governors change the frequency under a running loop, and start it slowly after each pause",
    source: "Documentation/admin-guide/pm/cpufreq.rst",
    remedy: "echo performance | sudo tee /sys/devices/system/cpu/cpufreq/policy*/scaling_governor",
    mends: "governor",
    judge: (facts) => {
      const policies = matching(facts, /^\/sys\/devices\/system\/cpu\/cpufreq\/policy\d+\/scaling_governor$/);
      const others = policies.filter(([, governor]) => governor !== "performance");
      if (policies.length === 0)
        return ok("the kernel does not scale the frequency here (no /sys/devices/system/cpu/cpufreq/policy*)");
      if (others.length === 0) return ok("performance on all CPUs");
      return { severity: "high", evidence: few(others.map(([path, governor]) => `${path}: ${governor}`)) };
    },
  },
  {
    id: "idle-states",
    area: "cpus",
    severities: ["medium", "info"],
    why: "leaving a deep sleep takes the processor longer than a wake-up may",
    source: "Documentation/admin-guide/pm/cpuidle.rst; Documentation/power/pm_qos_interface.rst",
    remedy:
      "rt-launch holds /dev/cpu_dma_latency at 0 while a node runs; without it boot with processor.max_cstate=1 or cpuidle.off=1",
    judge: judgeIdleStates,
  },
  {
    id: "clock-source",
    area: "cpus",
    severities: ["medium", "info"],
    why: "each look at this clock goes to a slow device in place of a register of the processor",
    source: "Documentation/timers/timekeeping.rst",
    remedy:
      "look in the kernel's log why the processor's own clock was given up: journalctl --dmesg --grep clocksource",
    judge: (facts) => {
      const path = "/sys/devices/system/clocksource/clocksource0/current_clocksource";
      const source = value(facts, path);
      if (source === undefined) return undefined;
      const evidence = `${path}: ${source}`;
      if (!SLOW_CLOCKS.has(source)) return ok(evidence);
      return { severity: isVirtual(facts) ? "info" : "medium", evidence };
    },
  },
];

const SLOW_CLOCKS = new Set(["hpet", "acpi_pm", "jiffies", "refined-jiffies", "pit"]);

/**
 * Queues that drivers have one of for each CPU: the kernel places them, and they fire only for what that CPU asked for
 * (managed_irq of isolcpus=). Counters and timers that each CPU has (drivers/perf/arm_pmu_platform.c,
 * drivers/clocksource/arm_arch_timer.c, arch/arm64/kvm/arch_timer.c). Not every kernel says that they stay.
 */
const FIXED =
  /^(?:virtio\d+-req\.\d+|virtio\d+-request|nvme\d+q\d+|megasas.*|mpt3sas.*|arm-pmu|arch_timer|kvm guest [pv]timer)$/;

/** False of interrupts without a driver, and of those that the kernel leaves where they are. */
function canMove({ name, isMovable }: Interrupt): boolean {
  return isMovable && name !== "" && !FIXED.test(name);
}

/** Where an interrupt goes from the next time on: some controllers move it only when it fires. */
function placesOf({ effective, allowed }: Interrupt): readonly number[] {
  const still = common(effective, allowed);
  return still.length > 0 ? still : allowed;
}

/** A mask in hexadecimal, in groups of 32 CPUs with commas between, the highest first. */
function parseMask(text: string): readonly number[] {
  if (!/^[\da-f,]{1,1200}$/.test(text)) return [];
  const groups = text.split(",").toReversed();
  return groups.flatMap((group, index) =>
    Array.from({ length: 32 }, (_, bit) => bit).flatMap((bit) =>
      Math.floor(Number.parseInt(group, 16) / 2 ** bit) % 2 === 1 ? [32 * index + bit] : [],
    ),
  );
}

/** A sleep that takes longer to leave than this, microseconds, shows in a loop's wake-up. */
const DEEP_US = 20;

function judgeIdleStates(facts: AuditFacts): ReturnType<Rule["judge"]> {
  const states = matching(facts, /^\/sys\/devices\/system\/cpu\/cpu\d+\/cpuidle\/state\d+\/name$/);
  if (states.length === 0) return ok("CPUs have no idle states here (no /sys/devices/system/cpu/cpu*/cpuidle)");
  const cpus = nodeCpus(facts);
  const deep = states.flatMap(([path, name]) => {
    const folder = path.slice(0, -"/name".length);
    const latency = Number(value(facts, `${folder}/latency`) ?? "0");
    const isOff = value(facts, `${folder}/disable`) === "1";
    const cpu = Number(/cpu(\d+)\/cpuidle/.exec(path)?.[1]);
    const matters = cpus.length === 0 || cpus.includes(cpu);
    return isOff || !matters || latency <= DEEP_US ? [] : [{ folder, name, latency }];
  });
  const worst = deep.toSorted((a, b) => b.latency - a.latency)[0];
  if (worst === undefined) return ok(`no CPU sleeps longer than ${DEEP_US} us deep`);
  const evidence = `${worst.folder}: ${worst.name}, ${worst.latency} us to leave`;
  if (facts.latencyUs === null) return unseen(facts, `/dev/cpu_dma_latency (${evidence})`);
  if (facts.latencyUs < worst.latency) return ok(`/dev/cpu_dma_latency is held at ${facts.latencyUs} us`);
  const isNeeded = facts.nodes === null || realtimeNodes(facts).some(({ pid }) => pid > 0);
  return { severity: isNeeded ? "medium" : "info", evidence: `${evidence}; nobody holds /dev/cpu_dma_latency below` };
}
