import type { WantedOption } from "../kernel/fragment.ts";
import { parseCpuList } from "../core/cpu-list.ts";
import type { AuditFacts, NodeFacts, Task } from "./facts.ts";
import type { BoardArea, Setting, Severity } from "./finding.ts";

/** What a rule says of one board. */
export interface Verdict {
  readonly severity: Severity;
  /** The file and its value. */
  readonly evidence: string;
  /** In place of the rule's own, where the board's values belong into it. */
  readonly remedy?: string;
}

/** One thing that an audit looks at. */
export interface Rule {
  readonly id: string;
  readonly area: BoardArea;
  /** What its findings may be, besides `ok`; the worst first. */
  readonly severities: readonly Exclude<Severity, "ok">[];
  /** Why it matters to a real-time node. */
  readonly why: string;
  /** Who says so: a document of the kernel, a manual, or what was measured. */
  readonly source: string;
  readonly remedy: string;
  readonly mends?: Setting;
  /** Undefined where there is nothing to judge. Pure. */
  readonly judge: (facts: AuditFacts, wanted: readonly WantedOption[]) => Verdict | undefined;
}

export function ok(evidence: string): Verdict {
  return { severity: "ok", evidence };
}

/** Of what only root may read, or not every kernel tells. */
export function unseen({ isRoot }: AuditFacts, what: string): Verdict {
  const remedy = isRoot
    ? "this kernel does not tell; Debian's do, and those that rtkit compiles"
    : "log in as root, or make the system a target: rtkit deploy --bootstrap";
  return { severity: "info", evidence: `${what} could not be seen`, remedy };
}

/** A file's first line; undefined where it is not there, or may not be read. */
export function value(facts: AuditFacts, path: string): string | undefined {
  return facts.files.get(path)?.[0];
}

/** Files whose path matches, with their first line. */
export function matching(facts: AuditFacts, pattern: RegExp): (readonly [path: string, value: string])[] {
  return [...facts.files].flatMap(([path, [first]]) =>
    first !== undefined && pattern.test(path) ? [[path, first]] : [],
  );
}

/** The first few of many, for a line. */
export function few(items: readonly string[]): string {
  const shown = items.slice(0, FEW).join(", ");
  return items.length > FEW ? `${shown} and ${items.length - FEW} more` : shown;
}

const FEW = 4;

/** True of Linux `major`.`minor` and later. */
export function isSince({ kernel }: AuditFacts, major: number, minor: number): boolean {
  const [, first, second] = /^(\d+)\.(\d+)/.exec(kernel) ?? [];
  return Number(first) > major || (Number(first) === major && Number(second) >= minor);
}

/** The CPUs that isolcpus= keeps free. */
export function isolatedCpus(facts: AuditFacts): readonly number[] {
  return parseCpuList(value(facts, "/sys/devices/system/cpu/isolated") ?? "");
}

/** True in a virtual machine or a container. */
export function isVirtual({ virtualization }: AuditFacts): boolean {
  return virtualization !== "" && virtualization !== "none";
}

/** Nodes that ask for a real-time policy. */
export function realtimeNodes({ nodes }: AuditFacts): readonly NodeFacts[] {
  return (nodes ?? []).filter(({ asks }) => ["fifo", "rr", "deadline"].includes(asks.policy));
}

/** The CPUs that real-time nodes ask for. */
export function nodeCpus(facts: AuditFacts): readonly number[] {
  return [...new Set(realtimeNodes(facts).flatMap(({ asks }) => asks.cpus))].toSorted((a, b) => a - b);
}

/** Threads of programs that are no nodes. */
export function foreignTasks({ tasks, nodes }: AuditFacts): readonly Task[] {
  const pids = new Set((nodes ?? []).map(({ pid }) => pid));
  return tasks.filter(({ isKernel, pid, group }) => !isKernel && !pids.has(pid) && !group.includes("/rtnode@"));
}

/** `multipathd (process 312, multipathd.service, rr 99)` */
export function describeTask({ name, pid, group, policy, priority }: Task): string {
  const unit = group.split("/").at(-1) ?? "";
  const rank = policy === "fifo" || policy === "rr" ? `${policy} ${priority}` : policy;
  return `${name} (${["process", pid].join(" ")}${unit === "" ? "" : `, ${unit}`}, ${rank})`;
}
