import { checkKernel, type OptionVerdict } from "../../kernel/check.ts";
import { formatCpuList } from "../../core/units.ts";
import { parseCpuList } from "../../core/cpu-list.ts";
import type { AuditFacts } from "../facts.ts";
import type { Severity } from "../finding.ts";
import { few, isolatedCpus, isSince, matching, ok, unseen, value, type Rule } from "../rule.ts";

const CONFIGURATION = "Documentation/core-api/real-time/kernel-configuration.rst";

/** Options with a rule of their own. */
const OWN = new Set(["PREEMPT_RT", "RT_GROUP_SCHED"]);

/** Of an option that differs; the state of the running system, which may make up for the rest, has rules of its own. */
const OPTION_SEVERITY = { fatal: "high", high: "medium", medium: "info", info: "info" } as const;

const RT_KERNEL =
  "install a kernel with PREEMPT_RT, on Debian linux-image-rt-ARCHITECTURE, and reboot; rtkit's images have one";

/** The kernel and its settings. */
export const KERNEL_RULES: readonly Rule[] = [
  {
    id: "kernel-realtime",
    area: "kernel",
    severities: ["high"],
    why: "without PREEMPT_RT nothing bounds how long the kernel keeps a real-time task waiting",
    source: CONFIGURATION,
    remedy: RT_KERNEL,
    judge: (facts) => {
      const file = value(facts, "/sys/kernel/realtime");
      const evidence = `uname -v: ${facts.version}${file === undefined ? "" : `; /sys/kernel/realtime: ${file}`}`;
      const isRealtime = /\bPREEMPT[_ ]RT\b/.test(facts.version) || file === "1";
      return isRealtime ? ok(evidence) : { severity: "high", evidence };
    },
  },
  {
    id: "rt-group-sched",
    area: "kernel",
    severities: ["high", "info"],
    why: "with it SCHED_FIFO fails with EPERM in every control group but the root one, and systemd runs services in others",
    source: "Documentation/scheduler/sched-rt-group.rst; Documentation/admin-guide/cgroup-v2.rst",
    remedy: RT_KERNEL,
    judge: (facts) => {
      const group = "/sys/fs/cgroup/cpu/cpu.rt_runtime_us";
      const bandwidth = value(facts, group);
      if (bandwidth !== undefined) return { severity: "high", evidence: `${group}: ${bandwidth}` };
      if (facts.config === null)
        return unseen(facts, "CONFIG_RT_GROUP_SCHED (no /proc/config.gz and no /boot/config-…)");
      const isOn = facts.config.get("RT_GROUP_SCHED") === "y";
      if (!isOn) return ok("CONFIG_RT_GROUP_SCHED is not set");
      if (commandLine(facts).includes("rt_group_sched=0")) return ok("/proc/cmdline: rt_group_sched=0");
      return { severity: "high", evidence: "CONFIG_RT_GROUP_SCHED=y" };
    },
  },
  {
    id: "kernel-config",
    area: "kernel",
    severities: ["high", "medium", "info"],
    why: "each of these options makes a kernel later, or lacks what nodes rely on; board-configs/kernel/preempt-rt.config says why",
    source: CONFIGURATION,
    remedy: "use another kernel; what the running system can make up for has findings of its own",
    judge: (facts, wanted) => {
      if (facts.config === null)
        return unseen(facts, "the kernel's configuration (no /proc/config.gz and no /boot/config-…)");
      const options = checkKernel(
        facts.config,
        wanted.filter(({ name }) => !OWN.has(name)),
        runtimeSettings(facts),
      );
      const differ = options.filter(({ verdict }) => verdict === "differs").toSorted(bySeverity);
      const worst = differ[0];
      if (worst === undefined) return ok(`${options.length} options are as wanted, or made up for`);
      const evidence = few(differ.map(({ name, got, wanted: best }) => `CONFIG_${name}=${got} (wanted ${best})`));
      return { severity: OPTION_SEVERITY[worst.severity], evidence };
    },
  },
  {
    id: "command-line",
    area: "kernel",
    severities: ["medium", "info"],
    why: "without these words callbacks of RCU, interrupts and the lockup detector come onto the nodes' CPUs",
    source: "Documentation/admin-guide/kernel-parameters.txt",
    remedy: "build the image with rtkit, which derives the words from the nodes' cpus; elsewhere add them and reboot",
    judge: judgeCommandLine,
  },
  {
    id: "rt-throttling",
    area: "kernel",
    severities: ["high", "medium"],
    why: "the default leaves 5 % of each second to log in and stop a runaway loop; less stops nodes for longer, and -1 does not switch the limit off from Linux 6.12 on, only the admission test of SCHED_DEADLINE",
    source: "Documentation/scheduler/sched-rt-group.rst; kernel/sched/deadline.c (fair server)",
    remedy: "sudo sysctl kernel.sched_rt_runtime_us=950000",
    mends: "throttling",
    judge: (facts) => {
      const path = "/proc/sys/kernel/sched_rt_runtime_us";
      const text = value(facts, path);
      if (text === undefined) return undefined;
      const runtime = Number(text);
      const period = Number(value(facts, "/proc/sys/kernel/sched_rt_period_us") ?? "1000000");
      const evidence = `${path}: ${text}, of ${period}`;
      if (runtime >= 0.95 * period && runtime < period) return ok(evidence);
      if (runtime < 0 || runtime >= period) return { severity: "medium", evidence };
      // From 6.12 on it only bounds SCHED_DEADLINE.
      return { severity: isSince(facts, 6, 12) ? "medium" : "high", evidence };
    },
  },
  {
    id: "fair-server",
    area: "kernel",
    severities: ["medium", "info"],
    why: "from Linux 6.12 on it takes 50 ms of each second from real-time tasks; on a CPU that one node owns there is nobody to be fair to",
    source: "kernel/sched/debug.c (fair_server); Documentation/scheduler/sched-deadline.rst",
    remedy: "echo 0 into runtime below /sys/kernel/debug/sched/fair_server/ for each isolated CPU, as root",
    mends: "fair_server",
    judge: (facts) => {
      const isolated = isolatedCpus(facts);
      if (isolated.length === 0 || !isSince(facts, 6, 12)) return undefined;
      const servers = matching(facts, /^\/sys\/kernel\/debug\/sched\/fair_server\/cpu\d+\/runtime$/);
      if (servers.length === 0) return facts.isRoot ? undefined : unseen(facts, "/sys/kernel/debug/sched/fair_server");
      const on = servers.filter(
        ([path, runtime]) => isolated.includes(Number(/cpu(\d+)/.exec(path)?.[1])) && runtime !== "0",
      );
      if (on.length === 0) return ok(`it is off on the isolated CPUs ${formatCpuList(isolated)}`);
      return { severity: "medium", evidence: few(on.map(([path, runtime]) => `${path}: ${runtime}`)) };
    },
  },
  {
    id: "kernel-settings",
    area: "kernel",
    severities: ["medium", "info"],
    why: "these settings keep the kernel's own work off the CPUs of nodes, and locked pages where they are",
    source: "Documentation/admin-guide/sysctl/kernel.rst and vm.rst",
    remedy: "put rtkit's sysctl.d file on the system: rtkit deploy --bootstrap",
    mends: "settings",
    judge: (facts) => {
      const differ = SYSCTLS.flatMap(({ name, wanted, severity, isRight }) => {
        const path = sysctlPath(name);
        const got = value(facts, path);
        if (got === undefined || (isRight ?? ((text) => text === wanted))(got)) return [];
        return [{ severity, text: `${path}: ${got} (wanted ${wanted})` }];
      });
      if (differ.length === 0) return ok("as in rtkit's sysctl.d/60-realtime.conf");
      const severity: Severity = differ.some((one) => one.severity === "medium") ? "medium" : "info";
      return { severity, evidence: few(differ.map(({ text }) => text)) };
    },
  },
];

/** One setting, as the overlay rt-limits has it. */
interface Sysctl {
  readonly name: string;
  readonly wanted: string;
  readonly severity: "medium" | "info";
  /** What does as well as `wanted`. */
  readonly isRight?: (text: string) => boolean;
}

/** Those of overlays/rt-limits that are sysctls; a test holds them together. */
export const SYSCTLS: readonly Sysctl[] = [
  { name: "vm.stat_interval", wanted: "10", severity: "info", isRight: (text) => Number(text) >= 10 },
  { name: "kernel.timer_migration", wanted: "0", severity: "info" },
  { name: "kernel.nmi_watchdog", wanted: "0", severity: "medium" },
  {
    name: "kernel.hung_task_timeout_secs",
    wanted: "600",
    severity: "info",
    isRight: (text) => text === "0" || Number(text) >= 600,
  },
  { name: "vm.swappiness", wanted: "0", severity: "info" },
  { name: "vm.compact_unevictable_allowed", wanted: "0", severity: "medium" },
  { name: "kernel.sched_schedstats", wanted: "0", severity: "info" },
];

function sysctlPath(name: string): string {
  return `/proc/sys/${name.replaceAll(".", "/")}`;
}

function commandLine(facts: AuditFacts): readonly string[] {
  return (value(facts, "/proc/cmdline") ?? "").split(/\s+/);
}

function bySeverity(a: OptionVerdict, b: OptionVerdict): number {
  const order = ["fatal", "high", "medium", "info"];
  return order.indexOf(a.severity) - order.indexOf(b.severity);
}

/** What makes up for options, asked of the running system in place of the image. */
function runtimeSettings(facts: AuditFacts): Parameters<typeof checkKernel>[2] {
  const sysctls = matching(facts, /^\/proc\/sys\//).map(([path, text]) => [
    path.slice("/proc/sys/".length).replaceAll("/", "."),
    text,
  ]);
  return {
    sysctls: Object.fromEntries(sysctls) as Record<string, string>,
    cmdline: commandLine(facts),
    units: [...facts.units],
  };
}

function judgeCommandLine(facts: AuditFacts): ReturnType<Rule["judge"]> {
  const words = commandLine(facts);
  const isolated = isolatedCpus(facts);
  const list = formatCpuList(isolated);
  const listed = (key: string): readonly number[] =>
    words.flatMap((word) => (word.startsWith(`${key}=`) ? parseCpuList(word.slice(key.length + 1)) : []));
  const lacking = [
    ...(isolated.every((cpu) => listed("rcu_nocbs").includes(cpu)) ? [] : [`rcu_nocbs=${list}`]),
    ...(isolated.length === 0 || words.some((word) => /^isolcpus=.*managed_irq/.test(word))
      ? []
      : [`isolcpus=domain,managed_irq,${list}`]),
  ];
  if (lacking.length > 0) return { severity: "medium", evidence: `/proc/cmdline lacks ${lacking.join(" ")}` };
  const minor = ["skew_tick=1", "nosoftlockup"].filter((word) => !words.includes(word));
  const odd = words.filter((word) => /^(?:idle=poll|nohz_full=.*|cpuidle\.off=1)$/.test(word));
  if (odd.length > 0) {
    return {
      severity: "info",
      evidence: `/proc/cmdline: ${odd.join(" ")}`,
      remedy: "leave it out: it heats the processor, or costs a periodic loop time at each sleep",
    };
  }
  if (minor.length > 0) return { severity: "info", evidence: `/proc/cmdline lacks ${minor.join(" ")}` };
  return ok("/proc/cmdline has the words of rtkit's images");
}
