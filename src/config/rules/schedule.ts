import type { Board } from "../model.ts";
import { formatCpuList } from "../../core/units.ts";
import type { Report } from "../report.ts";
import type { NodeInput } from "../project-schema.ts";

/** A node's schedule as the file has it, and where it stands. */
export interface ScheduledNode {
  readonly name: string;
  readonly schedule: NonNullable<NodeInput["schedule"]>;
  readonly limits: NonNullable<NodeInput["limits"]>;
}

const FIXED_PRIORITY: ReadonlySet<string> = new Set(["fifo", "rr"]);

/** Threaded interrupt handlers run at SCHED_FIFO 50: kernel/sched/syscalls.c, sched_set_fifo(). */
const INTERRUPT_PRIORITY = 50;

/** The kernel's least runtime of a deadline task is 1 << DL_SCALE ns: kernel/sched/deadline.c, __checkparam_dl(). */
const LEAST_DEADLINE_RUNTIME = 1024;

/** What all deadline tasks may use of each CPU: sched_rt_runtime_us / sched_rt_period_us, see sched(7). */
const DEADLINE_SHARE = 0.95;

/** Which policies run before every ordinary task, see sched(7). */
export function isRealtime(policy: string | undefined): boolean {
  return policy === "deadline" || hasFixedPriority(policy);
}

function hasFixedPriority(policy: string | undefined): boolean {
  return FIXED_PRIORITY.has(policy ?? "other");
}

/** RTK_CONFIG_PRIORITY, and the warning RTK_CONFIG_PRIORITY_HIGH. */
export function priority({ name, schedule }: ScheduledNode, report: Report): void {
  const path = ["nodes", name, "schedule", "priority"];
  const { policy = "other", priority: value } = schedule;
  if (!hasFixedPriority(policy)) {
    if (value === undefined) return;
    const hint =
      policy === "deadline"
        ? "remove priority: deadline tasks run before every priority"
        : "add policy: fifo to make the node real-time, or remove priority";
    report.error("RTK_CONFIG_PRIORITY", path, `policy ${policy} takes no priority`, hint, "key");
  } else if (value === undefined) {
    const hint = "add for example priority: 40 (2 to 49 are for applications)";
    report.error("RTK_CONFIG_PRIORITY", path.slice(0, -1), `policy ${policy} needs a priority`, hint, "key");
  } else if (value === 99) {
    const what = "99 is the kernel's own: its stop and migration threads run there";
    report.error("RTK_CONFIG_PRIORITY", path, what, "use 1 to 98; 2 to 49 are for applications");
  } else if (value < 1 || value > 98) {
    const hint = "use 1 to 98; 2 to 49 are for applications";
    report.error("RTK_CONFIG_PRIORITY", path, `${value} is not a priority from 1 to 98`, hint);
  } else if (value === INTERRUPT_PRIORITY) {
    const what = "50 is where the kernel's interrupt threads run: the node competes with its own devices";
    report.warning("RTK_CONFIG_PRIORITY_HIGH", path, what, "use 2 to 49 unless the node must delay interrupts");
  } else if (value > INTERRUPT_PRIORITY) {
    const what = `${value} is above the kernel's interrupt threads (50): 51 to 98 are for short periodic work only`;
    report.warning("RTK_CONFIG_PRIORITY_HIGH", path, what, "use 2 to 49 unless the node must delay interrupts");
  }
}

/** RTK_CONFIG_NICE. The range is that of setpriority(2). */
export function nice({ name, schedule }: ScheduledNode, report: Report): void {
  const path = ["nodes", name, "schedule", "nice"];
  const { policy = "other", nice: value } = schedule;
  if (value === undefined) return;
  if (policy !== "other" && policy !== "batch") {
    const hint = hasFixedPriority(policy) ? "use priority there, or remove nice" : "remove nice";
    report.error("RTK_CONFIG_NICE", path, `policy ${policy} takes no nice`, hint, "key");
  } else if (value < -20 || value > 19) {
    const hint = "use -20 (most CPU time) to 19 (least)";
    report.error("RTK_CONFIG_NICE", path, `${value} is not a nice value from -20 to 19`, hint);
  }
}

/** RTK_CONFIG_CPUS and RTK_CONFIG_CPU0. */
export function cpus({ name, schedule }: ScheduledNode, board: Board, report: Report): void {
  const path = ["nodes", name, "schedule", "cpus"];
  for (const [index, cpu] of (schedule.cpus ?? []).entries()) {
    const all = formatCpuList(Array.from({ length: board.cpus }, (_, number) => number));
    if (cpu >= board.cpus) {
      const what = `the board has no CPU ${cpu}`;
      report.error("RTK_CONFIG_CPUS", [...path, index], what, `${board.name} has CPUs ${all}`);
    } else if (cpu === 0 && hasFixedPriority(schedule.policy)) {
      const what = "CPU 0 cannot be isolated: interrupts and the kernel's housekeeping live there";
      const others = formatCpuList(Array.from({ length: board.cpus - 1 }, (_, number) => number + 1));
      const hint = others === "" ? `${board.name} has no other CPU; remove cpus` : `use one of CPUs ${others}`;
      report.error("RTK_CONFIG_CPU0", [...path, index], what, hint);
    }
  }
}

/** RTK_CONFIG_DEADLINE: the conditions of sched_setattr(2), so that the board does not find them first. */
export function deadline({ name, schedule }: ScheduledNode, report: Report): void {
  const path = ["nodes", name, "schedule"];
  const tell = (key: string, what: string, hint: string, side: "key" | "value" = "value"): void =>
    report.error("RTK_CONFIG_DEADLINE", key === "" ? path : [...path, key], what, hint, side);
  if (schedule.policy !== "deadline") {
    for (const key of ["runtime", "deadline", "period"] as const) {
      if (schedule[key] === undefined) continue;
      tell(
        key,
        `policy ${schedule.policy ?? "other"} takes no ${key}`,
        `add policy: deadline, or remove ${key}`,
        "key",
      );
    }
    return;
  }
  if ((schedule.cpus ?? []).length > 0) {
    const what = "SCHED_DEADLINE refuses an affinity that is narrower than its root domain";
    tell(
      "cpus",
      what,
      "remove cpus, or use policy fifo; a deadline node on chosen CPUs needs an exclusive cpuset",
      "key",
    );
  }
  const { runtime, period } = schedule;
  for (const key of ["runtime", "period"] as const) {
    if (schedule[key] === undefined)
      tell(
        "",
        `policy deadline needs a ${key}`,
        `add for example ${key}: ${key === "runtime" ? "1ms" : "10ms"}`,
        "key",
      );
  }
  if (runtime === undefined || period === undefined) return;
  const within = schedule.deadline ?? period;
  if (runtime < LEAST_DEADLINE_RUNTIME) {
    tell(
      "runtime",
      `${runtime} ns is less than the kernel's least runtime`,
      `use at least ${LEAST_DEADLINE_RUNTIME} ns`,
    );
  }
  if (runtime > within) tell("runtime", "the runtime is longer than the deadline", "keep runtime ≤ deadline ≤ period");
  if (within > period) tell("deadline", "the deadline is longer than the period", "keep runtime ≤ deadline ≤ period");
}

/** RTK_CONFIG_DEADLINE_BANDWIDTH: the kernel's admission test, over the CPUs that are not isolated. */
export function deadlineBandwidth(nodes: readonly ScheduledNode[], board: Board, report: Report): void {
  const tasks = nodes.filter(({ schedule }) => schedule.policy === "deadline");
  const share = tasks.reduce((sum, { schedule }) => sum + (schedule.runtime ?? 0) / (schedule.period ?? Infinity), 0);
  const free = board.cpus - isolatedBy(nodes, board).length;
  const last = tasks.at(-1);
  if (last === undefined || share <= DEADLINE_SHARE * free) return;
  const what = `the deadline nodes ask for ${percent(share)} of a CPU; the kernel admits ${percent(DEADLINE_SHARE * free)}`;
  const hint = `shorten a runtime: 95 % of each of the ${free} CPUs that are not isolated is the limit (sched_rt_runtime_us)`;
  report.error("RTK_CONFIG_DEADLINE_BANDWIDTH", ["nodes", last.name, "schedule"], what, hint, "key");
}

/** RTK_CONFIG_RTTIME: the kernel counts RLIMIT_RTTIME for SCHED_FIFO and SCHED_RR only (kernel/sched/rt.c, watchdog()). */
export function rttime({ name, schedule, limits }: ScheduledNode, report: Report): void {
  if (limits.rttime === undefined || limits.rttime === "none" || hasFixedPriority(schedule.policy)) return;
  const policy = schedule.policy ?? "other";
  const hint =
    policy === "deadline"
      ? "remove it: the kernel holds a deadline node to its runtime"
      : "remove it, or use policy: fifo";
  report.error(
    "RTK_CONFIG_RTTIME",
    ["nodes", name, "limits", "rttime"],
    `policy ${policy} takes no rttime`,
    hint,
    "key",
  );
}

/** The warning RTK_CONFIG_SHARED_PRIORITY. */
export function sharedPriority(nodes: readonly ScheduledNode[], report: Report): void {
  const first = new Map<string, string>();
  for (const { name, schedule } of nodes) {
    if (!hasFixedPriority(schedule.policy) || schedule.priority === undefined) continue;
    for (const cpu of new Set(schedule.cpus)) {
      const slot = `${cpu}/${schedule.priority}`;
      const other = first.get(slot);
      if (other === undefined) {
        first.set(slot, name);
        continue;
      }
      const what = `the same priority on CPU ${cpu} as node ${other}: whichever runs first makes the other wait`;
      const hint = "give the one with the shorter period the higher priority, or another CPU";
      report.warning("RTK_CONFIG_SHARED_PRIORITY", ["nodes", name, "schedule", "priority"], what, hint);
      break;
    }
  }
}

function isolatedBy(nodes: readonly ScheduledNode[], board: Board): readonly number[] {
  const asked = nodes
    .filter(({ schedule }) => hasFixedPriority(schedule.policy))
    .flatMap(({ schedule }) => schedule.cpus ?? []);
  return [...new Set(asked)].filter((cpu) => cpu > 0 && cpu < board.cpus);
}

function percent(part: number): string {
  return `${Math.ceil(part * 100)} %`;
}
