import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { RULES } from "../../src/audit/audit.ts";
import type { BoardFinding, Severity } from "../../src/audit/finding.ts";
import { SYSCTLS } from "../../src/audit/rules/kernel.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { all, file, findingsOf, instead, more, noFile, notOurs, OURS, task, type Change } from "./recorded.ts";

/** A board that is no virtual machine, whose nodes met no overrun: what is broken shows alone. */
const WELL: Change = all(
  instead(/^ virtualization .*$/m, " virtualization none"),
  (text) => text.replaceAll(/"overruns":\d+/g, '"overruns":0'),
  (text) => text.replaceAll(/"(minor|major)Faults":\d+/g, '"$1Faults":0'),
  (text) => text.replaceAll(/"collections":\d+/g, '"collections":0'),
);

function findingOf(id: string, ...changes: readonly Change[]): BoardFinding | undefined {
  return findingsOf(all(WELL, ...changes)(OURS)).find((finding) => finding.id === id);
}

const CPU = "/sys/devices/system/cpu";
const oneNodeStopped = (state: string): Change => instead(/ MainPID=\d+/, ` ActiveState=${state}\n MainPID=0`);
const alone = instead(/isolcpus=\S+ /, "");
const idle = all(
  file(`${CPU}/cpu3/cpuidle/state3/name`, "C6"),
  file(`${CPU}/cpu3/cpuidle/state3/latency`, "133"),
  file(`${CPU}/cpu3/cpuidle/state3/disable`, "0"),
);
const voltage = all(
  file("/sys/class/hwmon/hwmon1/name", "rpi_volt"),
  file("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "0"),
);
const zone = (millidegrees: string): Change =>
  all(
    file("/sys/class/thermal/thermal_zone0/type", "cpu-thermal"),
    file("/sys/class/thermal/thermal_zone0/temp", millidegrees),
  );
const chrony = (makestep: string): Change =>
  all(
    more("units", "chrony.service loaded active running chrony"),
    file("/etc/chrony/chrony.conf", makestep, "settings"),
  );
const group = "/system.slice/multipathd.service";
/** Between the two looks at the loops the first of them wrote. */
const prints: Change = (text) => {
  const [before = "", after = ""] = text.split("[writes-later]\n");
  const wrote = after
    .replace(/wchar: (\d+)/, (_, bytes: string) => `wchar: ${Number(bytes) + 42_000}`)
    .replace(/syscw: (\d+)/, (_, calls: string) => `syscw: ${Number(calls) + 2000}`);
  return `${before}[writes-later]\n${wrote}`;
};

/** An interrupt that goes to these CPUs, and may go to them. */
const interrupt = (number: number, name: string, cpus: string): Change =>
  all(
    file(`/proc/irq/${number}/smp_affinity_list`, cpus, "interrupts"),
    file(`/proc/irq/${number}/effective_affinity_list`, cpus, "interrupts"),
    file(`/sys/kernel/irq/${number}/actions`, name, "interrupts"),
  );
/** A Raspberry Pi 4's that no kernel moves: each CPU's own. */
const arm64 = all(
  interrupt(11, "arch_timer", "0-3"),
  interrupt(12, "kvm guest vtimer", "0-3"),
  interrupt(13, "kvm guest ptimer", "0-3"),
  ...[0, 1, 2, 3].map((cpu) => interrupt(20 + cpu, "arm-pmu", `${cpu}`)),
);
/** The board says which interrupts can be moved. */
const movable = (...numbers: number[]): Change =>
  instead(
    "[settings]\n",
    `[movable]\n${numbers.map((number) => ` /proc/irq/${number}/smp_affinity_list\n`).join("")}[settings]\n`,
  );

/** The line of a process with many threads, cut where the board cuts lines. */
const cut: Change = (text) => text.replace(/^( \{"name":"python3",.{1000}).*$/m, "$1");

/** One thing broken at a time: what is said of it, how bad it is, and what the evidence names. */
const BROKEN: readonly (readonly [id: string, what: string, severity: Severity, evidence: string, change: Change])[] = [
  ["virtual-machine", "QEMU", "info", "qemu", instead(/^ virtualization .*$/m, " virtualization qemu")],
  ["audit-whole", "an answer that breaks off", "medium", "the end", (text) => text.slice(0, text.indexOf("[cgroups]"))],
  [
    "under-voltage",
    "a weak supply",
    "high",
    "in0_lcrit_alarm: 1",
    all(voltage, file("/sys/class/hwmon/hwmon1/in0_lcrit_alarm", "1")),
  ],
  [
    "thermal",
    "a processor that is slowed down",
    "medium",
    "cooling_device0/cur_state: 2",
    file("/sys/class/thermal/cooling_device0/cur_state", "2"),
  ],
  ["thermal", "a hot processor", "info", "83.1 °C", zone("83100")],
  [
    "kernel-realtime",
    "a kernel without PREEMPT_RT",
    "high",
    "PREEMPT_DYNAMIC",
    all(noFile("/sys/kernel/realtime"), instead("PREEMPT_RT", "PREEMPT_DYNAMIC")),
  ],
  ["rt-group-sched", "RT_GROUP_SCHED", "high", "CONFIG_RT_GROUP_SCHED=y", more("config", "CONFIG_RT_GROUP_SCHED=y")],
  [
    "rt-group-sched",
    "its files in version 1 of the control groups",
    "high",
    "cpu.rt_runtime_us: 950000",
    file("/sys/fs/cgroup/cpu/cpu.rt_runtime_us", "950000"),
  ],
  [
    "rt-group-sched",
    "a kernel that does not say how it was made",
    "info",
    "could not be seen",
    (text) => text.replaceAll(/^ CONFIG_.*\n/gm, ""),
  ],
  ["kernel-config", "lock debugging", "medium", "CONFIG_PROVE_LOCKING=y", more("config", "CONFIG_PROVE_LOCKING=y")],
  [
    "kernel-config",
    "no high-resolution timers",
    "high",
    "CONFIG_HIGH_RES_TIMERS=n",
    instead(/^ CONFIG_HIGH_RES_TIMERS=y\n/m, ""),
  ],
  [
    "kernel-config",
    "rt-tune that did not run, so that nobody makes up for KSM",
    "info",
    "CONFIG_KSM=y",
    instead(/^ rt-tune\.service.*\n/m, ""),
  ],
  ["command-line", "no rcu_nocbs=", "medium", "rcu_nocbs=2-3", instead("rcu_nocbs=2-3 ", "")],
  ["command-line", "no managed_irq", "medium", "managed_irq", instead("managed_irq,", "")],
  ["command-line", "idle=poll", "info", "idle=poll", instead("skew_tick=1", "skew_tick=1 idle=poll")],
  ["command-line", "no nosoftlockup", "info", "nosoftlockup", instead("nosoftlockup ", "")],
  ["rt-throttling", "-1", "medium", "sched_rt_runtime_us: -1", file("/proc/sys/kernel/sched_rt_runtime_us", "-1")],
  [
    "rt-throttling",
    "half of each second, before 6.12",
    "high",
    "500000, of 1000000",
    all(instead(" uname 6.12", " uname 6.6"), file("/proc/sys/kernel/sched_rt_runtime_us", "500000")),
  ],
  [
    "rt-throttling",
    "half of each second, where it only bounds deadline tasks",
    "medium",
    "500000",
    file("/proc/sys/kernel/sched_rt_runtime_us", "500000"),
  ],
  [
    "fair-server",
    "one on an isolated CPU",
    "medium",
    "cpu3/runtime: 50000000",
    file("/sys/kernel/debug/sched/fair_server/cpu3/runtime", "50000000"),
  ],
  [
    "fair-server",
    "a user who may not look",
    "info",
    "could not be seen",
    all(instead(" uid 0", " uid 1000"), (text) => text.replaceAll(/^ \/sys\/kernel\/debug.*\n/gm, "")),
  ],
  [
    "kernel-settings",
    "the hard lockup detector",
    "medium",
    "nmi_watchdog: 1 (wanted 0)",
    file("/proc/sys/kernel/nmi_watchdog", "1"),
  ],
  ["kernel-settings", "swappiness", "info", "swappiness: 60", file("/proc/sys/vm/swappiness", "60")],
  [
    "isolated-cpus",
    "CPUs of nodes that are not isolated",
    "medium",
    "none; nodes ask for 2-3",
    file(`${CPU}/isolated`, ""),
  ],
  ["isolated-cpus", "CPU 0", "medium", "CPU 0", file(`${CPU}/isolated`, "0,2-3")],
  ["isolated-cpus", "a stock system", "info", "none", all(notOurs, file(`${CPU}/isolated`, ""))],
  [
    "isolated-tasks",
    "a program that may run there",
    "medium",
    "logger (process 4242, session-1.scope, other) may run on 0-3",
    task({ pid: 4242, name: "logger", policy: 0, priority: 0, cpus: "0-3" }),
  ],
  [
    "irq-affinity",
    "an interrupt that was put there, and did not fire yet",
    "medium",
    "/proc/irq/4 (ttyS0): on 3",
    file("/proc/irq/4/smp_affinity_list", "3", "interrupts"),
  ],
  [
    "irq-affinity",
    "an interrupt that goes there",
    "medium",
    "/proc/irq/4 (ttyS0): on 2",
    all(
      file("/proc/irq/4/smp_affinity_list", "0-3", "interrupts"),
      file("/proc/irq/4/effective_affinity_list", "2", "interrupts"),
    ),
  ],
  [
    "irq-affinity",
    "a default that has them",
    "info",
    "default_smp_affinity: f, which has 2-3",
    file("/proc/irq/default_smp_affinity", "f", "interrupts"),
  ],
  [
    "irqbalance",
    "the service",
    "medium",
    "irqbalance.service",
    more("units", "irqbalance.service loaded active running irqbalance daemon"),
  ],
  [
    "governor",
    "schedutil",
    "high",
    "policy0/scaling_governor: schedutil",
    file(`${CPU}/cpufreq/policy0/scaling_governor`, "schedutil"),
  ],
  [
    "idle-states",
    "deep sleep that nobody forbids",
    "medium",
    "C6, 133 us",
    all(idle, instead(/^ latency .*$/m, " latency 2000000000")),
  ],
  [
    "idle-states",
    "deep sleep, and a user who may not look",
    "info",
    "/dev/cpu_dma_latency",
    all(idle, instead(/^ latency .*$/m, " latency ")),
  ],
  [
    "clock-source",
    "a clock that is a device",
    "medium",
    "hpet",
    file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"),
  ],
  [
    "clock-source",
    "a device, in a virtual machine",
    "info",
    "hpet",
    all(
      instead(/^ virtualization .*$/m, " virtualization kvm"),
      file("/sys/devices/system/clocksource/clocksource0/current_clocksource", "hpet"),
    ),
  ],
  [
    "swap",
    "a swap file",
    "medium",
    "/swapfile (0 of 65532 KiB in use)",
    more("files", "/proc/swaps:Filename Type Size Used Priority", "/proc/swaps:/swapfile file 65532 0 -2"),
  ],
  [
    "huge-pages",
    "always",
    "medium",
    "[always]",
    file("/sys/kernel/mm/transparent_hugepage/enabled", "[always] madvise never"),
  ],
  [
    "huge-pages",
    "for who asks",
    "info",
    "[madvise]",
    file("/sys/kernel/mm/transparent_hugepage/enabled", "always [madvise] never"),
  ],
  ["ksm", "it runs", "medium", "ksm/run: 1", file("/sys/kernel/mm/ksm/run", "1")],
  [
    "foreign-tasks",
    "FIFO 90 on a node's CPU",
    "high",
    "hog (process 4242, session-1.scope, fifo 90)",
    task({ pid: 4242, name: "hog", policy: 1, priority: 90, cpus: "0-3" }),
  ],
  [
    "foreign-tasks",
    "FIFO 90 elsewhere",
    "medium",
    "hog",
    task({ pid: 4242, name: "hog", policy: 1, priority: 90, cpus: "0-1" }),
  ],
  [
    "foreign-tasks",
    "a name with a line's end",
    "high",
    "h?g (process 4242",
    task({ pid: 4242, name: "h\ng", policy: 2, priority: 20, cpus: "3" }),
  ],
  [
    "foreign-tasks",
    "SCHED_DEADLINE",
    "high",
    "deadline",
    task({ pid: 4242, name: "hog", policy: 6, priority: 0, cpus: "0-3" }),
  ],
  [
    "foreign-tasks",
    "multipathd of a stock system",
    "medium",
    "multipathd (process 312, multipathd.service, rr 99)",
    all(notOurs, task({ pid: 312, name: "multipathd", policy: 2, priority: 99, cpus: "0-3", group })),
  ],
  ["node-running", "a node that failed", "high", "rtnode@controller.service is failed", oneNodeStopped("failed")],
  [
    "node-running",
    "a node that ended, or was stopped",
    "info",
    "rtnode@controller.service is inactive",
    oneNodeStopped("inactive"),
  ],
  [
    "node-scheduling",
    "a node that somebody made ordinary",
    "high",
    "has other 0 on CPUs",
    instead(/"policy":"fifo","priority":20,/, '"policy":"other","priority":0,'),
  ],
  ["node-scheduling", "a node that was moved", "high", "on CPUs 0-3", instead(/"cpus":"2"/, '"cpus":"0-3"')],
  ["node-memory", "a node without its lock", "high", "VmLck: 0 kB", instead(/"lockedKiB":\d+/, '"lockedKiB":0')],
  [
    "service-limits",
    "a unit whose limits are gone",
    "high",
    "LimitRTPRIO=0",
    instead(" LimitRTPRIO=98", " LimitRTPRIO=0"),
  ],
  [
    "service-limits",
    "a unit that may lock little",
    "high",
    "LimitMEMLOCK=8388608",
    instead(" LimitMEMLOCK=infinity", " LimitMEMLOCK=8388608"),
  ],
  [
    "service-limits",
    "a process that was started without",
    "high",
    "realtime priority 0",
    instead('"rtprio":{"soft":98', '"rtprio":{"soft":0'),
  ],
  ["service-limits", "a stock system's services", "info", "DefaultLimitRTPRIO=0", notOurs],
  ["login-limits", "no line for logins", "info", "limits.d", noFile("/etc/security/limits.d/realtime.conf")],
  [
    "node-faults",
    "page faults in a loop",
    "medium",
    "3 minor and 0 major",
    instead('"minorFaults":0', '"minorFaults":3'),
  ],
  [
    "node-collections",
    "a loop that makes garbage",
    "medium",
    "12 collections",
    instead('"collections":0', '"collections":12'),
  ],
  ["node-overruns", "missed deadlines", "medium", "7 overruns", instead('"overruns":0', '"overruns":7')],
  ["node-writes", "a node that prints in its loop", "medium", "2000 writes and 42000 bytes", prints],
  [
    "node-writes",
    "a user who may not look",
    "info",
    "could not be seen",
    (text) => text.replaceAll(/^ \/proc\/\d+\/task\/\d+\/io:.*\n/gm, ""),
  ],
  ...["node-scheduling", "node-memory", "node-faults", "node-collections", "node-overruns", "service-limits"].map(
    (id) => [id, "a node whose line was cut", "info", "of controller (process 574) could not be seen", cut] as const,
  ),
  ["time-sync", "timesyncd", "info", "systemd-timesyncd.service", (text) => text],
  ["time-sync", "chrony that always steps", "medium", "makestep 0.1 -1", chrony("makestep 0.1 -1")],
  [
    "timers",
    "Debian's own",
    "medium",
    "apt-daily.timer (downloads package lists)",
    more("units", "apt-daily.timer loaded active waiting Daily apt download activities"),
  ],
  [
    "timers",
    "a weekly trim",
    "info",
    "fstrim.timer",
    more("units", "fstrim.timer loaded active waiting Discard unused filesystem blocks"),
  ],
  ["journal", "one without a bound", "info", "no SystemMaxUse=", instead(/^ .*SystemMaxUse=.*\n/m, "")],
  [
    "journal",
    "a second logger",
    "info",
    "rsyslog.service",
    more("units", "rsyslog.service loaded active running System Logging Service"),
  ],
];

describe.each(BROKEN)("%s", (id, what, severity, evidence, change) => {
  it(`finds ${what}`, () => {
    const rule = RULES.find((one) => one.id === id);
    const finding = findingOf(id, change);
    expect(finding).toMatchObject({ id, severity, area: rule?.area, why: rule?.why });
    expect(finding?.evidence).toContain(evidence);
    expect(finding?.remedy).not.toBe(null);
    expect(rule?.severities).toContain(severity);
  });
});

/** Where a board that is well has nothing to say of it. */
const WELL_WITH: Readonly<Record<string, Change>> = {
  "under-voltage": voltage,
  thermal: zone("45000"),
  "kernel-config": (text) =>
    ["NO_HZ_FULL", "ZSWAP"]
      .reduce((changed, name) => changed.replace(` CONFIG_${name}=y\n`, ""), text)
      .replace("[config]\n", "[config]\n CONFIG_NO_HZ_IDLE=y\n CONFIG_HZ_1000=y\n CONFIG_IKCONFIG=y\n"),
  governor: file(`${CPU}/cpufreq/policy0/scaling_governor`, "performance"),
  "idle-states": idle,
  "huge-pages": file("/sys/kernel/mm/transparent_hugepage/enabled", "always madvise [never]"),
  "time-sync": chrony("makestep 1 3"),
};

/** Rules that are silent, and do not say ok, where there is nothing to find. */
const SILENT = new Set(["audit-whole", "irqbalance"]);

it.each(RULES.map(({ id }) => id))("%s is ok on a board that is well", (id) => {
  const finding = findingOf(id, WELL_WITH[id] ?? ((text) => text));
  if (SILENT.has(id)) expect(finding).toBe(undefined);
  else expect(finding).toMatchObject({ severity: "ok", remedy: null, mends: null });
});

it("every rule is seen broken, in each severity that it says it has", () => {
  const seen = new Set(BROKEN.map(([id, , severity]) => `${id} ${severity}`));
  expect(
    RULES.flatMap(({ id, severities }) => severities.map((one) => `${id} ${one}`)).filter((one) => !seen.has(one)),
  ).toEqual([]);
});

it("ids are unique, and words with dashes", () => {
  const ids = RULES.map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const id of ids) expect(id).toMatch(/^[a-z]+(?:-[a-z]+)*$/);
});

it("nothing but one CPU's isolation is asked of a kernel whose command line says nothing of it", () => {
  expect(findingOf("command-line", alone, file(`${CPU}/isolated`, ""))?.severity).toBe("ok");
});

it("nobody is told to mask the timer that keeps logs small", () => {
  expect(findingOf("timers", more("units", "logrotate.timer loaded active waiting Daily rotation"))?.severity).toBe(
    "ok",
  );
});

it("irq-affinity waits for no interrupt that was sent away and did not fire yet", () => {
  expect(findingOf("irq-affinity", file("/proc/irq/4/effective_affinity_list", "3", "interrupts"))?.severity).toBe(
    "ok",
  );
});

it("irq-affinity finds nothing in what each CPU of an arm64 board has for itself", () => {
  expect(findingOf("irq-affinity", arm64)?.severity).toBe("ok");
});

it("irq-affinity judges only what the kernel lets be moved, where the board says which that is", () => {
  const uart = interrupt(40, "uart-pl011", "3");
  expect(findingOf("irq-affinity", uart)).toMatchObject({ severity: "medium" });
  expect(findingOf("irq-affinity", uart, movable(1, 40))).toMatchObject({ severity: "medium" });
  expect(findingOf("irq-affinity", uart, movable(1))).toMatchObject({ severity: "ok" });
});

it("only a board of rtkit's mends anything, and only what is wrong", () => {
  const broken = file("/sys/kernel/mm/ksm/run", "1");
  expect(findingOf("ksm", broken)?.mends).toBe("memory");
  expect(findingOf("ksm", broken, notOurs)?.mends).toBe(null);
  expect(findingOf("ksm")?.mends).toBe(null);
});

it("kernel-settings wants what the overlay rt-limits sets", async () => {
  const text = await readFile(join(rtkitRoot, "overlays/rt-limits/rootfs/usr/lib/sysctl.d/60-realtime.conf"), "utf8");
  const set = [...text.matchAll(/^([a-z][\w.]+) = (\d+)$/gm)].map(([, name, wanted]) => ({ name, wanted }));
  expect(SYSCTLS.map(({ name, wanted }) => ({ name, wanted }))).toEqual(set);
});

/** As a kernel without CONFIG_TASK_IO_ACCOUNTING. */
const silent: Change = (text) => text.replaceAll(/^ \/proc\/\d+\/task\/\d+\/io:.*\n/gm, "");

it("what cannot be seen is another's to show to root than to a user", () => {
  expect(findingOf("node-writes", silent)?.remedy).toContain("this kernel does not tell");
  expect(findingOf("node-writes", silent, instead(" uid 0\n", " uid 1000\n"))?.remedy).toContain("log in as root");
});
