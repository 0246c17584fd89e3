import * as z from "zod";
import { printable } from "../core/printable.ts";
import { parseKconfig, type Kconfig } from "../kernel/kconfig.ts";
import { parseCpuList } from "../core/cpu-list.ts";

/** A thread with a real-time policy, or one that is bound to CPUs; of the kernel's own and of programs. */
export interface Task {
  readonly tid: number;
  /** The process that it is of. */
  readonly pid: number;
  readonly name: string;
  readonly isKernel: boolean;
  readonly policy: Policy;
  /** 1 to 99 of real-time policies. */
  readonly priority: number;
  /** The CPUs that it may run on; empty: not known. */
  readonly cpus: readonly number[];
  /** The control group of its process, `/system.slice/ssh.service`; empty: not known. */
  readonly group: string;
}

const POLICIES = ["other", "fifo", "rr", "batch", "iso", "idle", "deadline", "ext"] as const;

/** By its number in linux/sched.h. */
export type Policy = (typeof POLICIES)[number];

/** An interrupt line. */
export interface Interrupt {
  readonly number: number;
  /** Who asked for it, `eth0`; empty: nobody. */
  readonly name: string;
  /** Where it may go. */
  readonly allowed: readonly number[];
  /** Where it goes. */
  readonly effective: readonly number[];
  /** The kernel takes another place for it; true also where the board does not tell. */
  readonly isMovable: boolean;
}

/** A limit as systemd and the kernel say it; null: not known. */
export type Limit = number | "unlimited" | null;

/** What a service may. */
export interface ServiceLimits {
  readonly rtprio: Limit;
  /** Bytes. */
  readonly memlock: Limit;
}

/** A node of the board's active release. */
export interface NodeFacts {
  readonly name: string;
  /** systemd's ActiveState. */
  readonly state: string;
  /** 0: it does not run. */
  readonly pid: number;
  /** What its launch options ask for; null for what they do not name. */
  readonly asks: {
    readonly policy: string;
    readonly priority: number;
    readonly cpus: readonly number[];
    readonly locksMemory: boolean;
  };
  /** Of its unit, with what systemd starts it. */
  readonly unit: ServiceLimits;
  /** Of its process; null when it does not run, or what the board says of it cannot be read. */
  readonly shown: z.infer<typeof Shown> | null;
  /** What its loop's thread wrote while it was looked at; null where that could not be seen. */
  readonly writes: { readonly calls: number; readonly bytes: number } | null;
}

/** What a board says of itself: src/device/audit.sh, read. */
export interface AuditFacts {
  readonly isRoot: boolean;
  /** `6.12.107+deb13-rt-amd64`. */
  readonly kernel: string;
  /** What `uname -v` says. */
  readonly version: string;
  readonly machine: string;
  readonly os: string;
  readonly model: string;
  /** What systemd-detect-virt says, `none` for a real one; empty where it cannot. */
  readonly virtualization: string;
  /** What is in force of /dev/cpu_dma_latency, microseconds; null where it cannot be read. */
  readonly latencyUs: number | null;
  /** Files by their path, line by line; one that is not there, or that this user may not read, is absent. */
  readonly files: ReadonlyMap<string, readonly string[]>;
  /** Null where the system does not say how its kernel was made. */
  readonly config: Kconfig | null;
  readonly interrupts: readonly Interrupt[];
  readonly tasks: readonly Task[];
  /** Services, timers and swaps that systemd has active. */
  readonly units: ReadonlySet<string>;
  /** What a service gets whose unit does not ask. */
  readonly serviceDefaults: ServiceLimits;
  /** Null on a system that is no board of rtkit's. */
  readonly nodes: readonly NodeFacts[] | null;
  /** False when the end of what it says is missing. */
  readonly isWhole: boolean;
}

/** The first line of what the probe prints. */
const HEAD = "rtnode-audit 1";

/** Reads what src/device/audit.sh printed, in which anything may stand; undefined when it did not run. */
export function parseAudit(output: string): AuditFacts | undefined {
  // Lines of start-up files come before it.
  const start = output.startsWith(HEAD) ? 0 : output.indexOf(`\n${HEAD}`) + 1;
  if (!output.startsWith(HEAD, start)) return undefined;
  const sections = splitSections(output.slice(start));
  const section = (name: string): readonly string[] => sections.get(name) ?? [];
  const system = new Map(section("system").map((line) => [word(line), rest(line)]));
  const files = readFiles(["files", "settings", "interrupts"].flatMap(section));
  const [, kernel, version = "", machine = ""] = /^(\S+) (.*) (\S+)$/.exec(system.get("uname") ?? "") ?? [];
  if (kernel === undefined) return undefined;
  const first = (path: string): string | undefined => files.get(path)?.[0];
  return {
    isRoot: system.get("uid") === "0",
    kernel,
    version,
    machine,
    os: osName(files.get("/etc/os-release") ?? []),
    model: first("/proc/device-tree/model") ?? first("/sys/class/dmi/id/product_name") ?? "",
    virtualization: system.get("virtualization") ?? "",
    latencyUs: integer(system.get("latency")) ?? null,
    files,
    config: section("config").length === 0 ? null : parseKconfig(section("config").join("\n")),
    interrupts: readInterrupts(files, new Set(section("movable"))),
    tasks: readTasks(section("stat").join("\n"), section("cpus"), section("cgroups")),
    units: readUnits(section("units")),
    serviceDefaults: limitsOf(properties(section("manager")), "Default"),
    nodes: sections.has("node-units") ? readNodes(section, files) : null,
    isWhole: sections.has("end"),
  };
}

function splitSections(text: string): Map<string, string[]> {
  const sections = new Map<string, string[]>();
  let lines: string[] = [];
  // A device tree's text ends with a NUL.
  for (const line of printable(text.replaceAll("\0", "")).split("\n")) {
    const name = /^\[([a-z-]+)\]$/.exec(line)?.[1];
    if (name !== undefined) {
      lines = [];
      sections.set(name, lines);
    } else if (line.startsWith(" ")) lines.push(line.slice(1));
  }
  return sections;
}

function word(line: string): string {
  return line.split(" ", 1)[0] ?? "";
}

function rest(line: string): string {
  return line.slice(word(line).length).trim();
}

function osName(lines: readonly string[]): string {
  const line = lines.find((one) => one.startsWith("PRETTY_NAME=")) ?? "";
  return line.slice("PRETTY_NAME=".length).replaceAll('"', "");
}

/** A number that is exact; undefined of anything else. */
function integer(text: string | undefined): number | undefined {
  return text !== undefined && /^-?\d{1,15}$/.test(text) ? Number(text) : undefined;
}

/** `PATH:LINE` lines; none of the paths has a colon. */
function readFiles(lines: readonly string[]): Map<string, string[]> {
  const files = new Map<string, string[]>();
  for (const line of lines) {
    const colon = line.indexOf(":");
    const path = colon === -1 ? line : line.slice(0, colon);
    const found = files.get(path) ?? [];
    if (colon !== -1) found.push(line.slice(colon + 1));
    files.set(path, found);
  }
  return files;
}

function readInterrupts(files: ReadonlyMap<string, readonly string[]>, movable: ReadonlySet<string>): Interrupt[] {
  const first = (path: string): string => files.get(path)?.[0] ?? "";
  return [...files.keys()].flatMap((path) => {
    const number = /^\/proc\/irq\/(\d{1,6})\/smp_affinity_list$/.exec(path)?.[1];
    if (number === undefined) return [];
    const allowed = parseCpuList(first(path));
    const effective = parseCpuList(first(`/proc/irq/${number}/effective_affinity_list`));
    const name = first(`/sys/kernel/irq/${number}/actions`);
    return [
      {
        number: Number(number),
        name,
        allowed,
        effective: effective.length === 0 && name !== "" ? allowed : effective,
        // None at all: a board whose probe is older.
        isMovable: movable.size === 0 || movable.has(path),
      },
    ];
  });
}

/**
 * proc_pid_stat(5): number, name, state, then numbers; the name may hold a line's end, and what looks like another line.
 * Of the fields after the state number 6 is `flags`, 37 and 38 are `rt_priority` and `policy`.
 */
const STAT = /^(\d{1,10}) \(([\s\S]{0,64}?)\) ([A-Za-z])((?: -?\d{1,20}){40,60})$/gm;
const KERNEL_THREAD = 0x0020_0000;

function readTasks(stat: string, cpus: readonly string[], groups: readonly string[]): Task[] {
  const processes = new Map<number, { pid: number; cpus: readonly number[] }>();
  for (const line of cpus) {
    const [, pid, tid, list] = /^\/proc\/(\d+)\/task\/(\d+)\/status:Cpus_allowed_list:\s*(\S*)$/.exec(line) ?? [];
    if (tid !== undefined) processes.set(Number(tid), { pid: Number(pid), cpus: parseCpuList(list ?? "") });
  }
  const groupOf = new Map<number, string>();
  for (const line of groups) {
    const [, pid, group] = /^\/proc\/(\d+)\/cgroup:0::(.*)$/.exec(line) ?? [];
    if (pid !== undefined) groupOf.set(Number(pid), group ?? "");
  }
  return [...stat.matchAll(STAT)].map(([, number, name = "", , fields = ""]) => {
    const values = fields.trim().split(" ").map(Number);
    const tid = Number(number);
    const { pid = tid, cpus: allowed = [] } = processes.get(tid) ?? {};
    return {
      tid,
      pid,
      name: name.replaceAll("\n", "?"),
      isKernel: ((values[5] ?? 0) & KERNEL_THREAD) !== 0,
      policy: POLICIES[values[37] ?? 0] ?? "other",
      priority: values[36] ?? 0,
      cpus: allowed,
      group: groupOf.get(pid) ?? "",
    };
  });
}

/** `systemctl list-units --plain --no-legend`: name, loaded, active, … */
function readUnits(lines: readonly string[]): Set<string> {
  const rows = lines.map((line) => line.trim().split(/\s+/));
  return new Set(rows.flatMap(([name, , active]) => (name !== undefined && active === "active" ? [name] : [])));
}

function properties(lines: readonly string[]): Map<string, string> {
  return new Map(lines.map((line) => [line.split("=", 1)[0] ?? "", line.slice(line.indexOf("=") + 1)]));
}

function limitsOf(shown: ReadonlyMap<string, string>, prefix = ""): ServiceLimits {
  const limit = (name: string): Limit => {
    const value = shown.get(`${prefix}Limit${name}`);
    // systemd says "infinity", older ones 2⁶⁴ - 1.
    return value === "infinity" || value === "18446744073709551615" ? "unlimited" : (integer(value) ?? null);
  };
  return { rtprio: limit("RTPRIO"), memlock: limit("MEMLOCK") };
}

const ShownLimit = z.object({ soft: z.union([z.number(), z.literal("unlimited")]) }).nullish();

/** What `rt-launch show --json` says of a process. */
const Shown = z.looseObject({
  pid: z.number(),
  policy: z.string(),
  priority: z.number(),
  cpus: z.string().nullable(),
  lockedKiB: z.number().nullable(),
  limits: z.looseObject({ rtprio: ShownLimit, memlock: ShownLimit }),
  stats: z
    .looseObject({
      periodUs: z.number().nullable(),
      cycles: z.number(),
      overruns: z.number(),
      minorFaults: z.number(),
      majorFaults: z.number(),
      involuntarySwitches: z.number(),
      collections: z.number(),
    })
    .nullish()
    .catch(null),
});

function readNodes(
  section: (name: string) => readonly string[],
  files: ReadonlyMap<string, readonly string[]>,
): NodeFacts[] {
  const shown = section("nodes").flatMap((line) => readShown(line) ?? []);
  const [before, after] = [readWrites(section("writes")), readWrites(section("writes-later"))];
  const units = section("node-units").join("\n").split("\n\n");
  return units.flatMap((text) => {
    const unit = properties(text.split("\n"));
    const name = /^rtnode@([a-z0-9][a-z0-9-]{0,62})\.service$/.exec(unit.get("Id") ?? "")?.[1];
    if (name === undefined) return [];
    const pid = integer(unit.get("MainPID")) ?? 0;
    const conf = properties(
      (files.get(`/opt/rtnode/current/nodes/${name}.conf`) ?? []).map((line) => `${word(line)}=${rest(line)}`),
    );
    const [first, last] = [before.get(pid), after.get(pid)];
    return [
      {
        name,
        state: unit.get("ActiveState") ?? "unknown",
        pid,
        asks: {
          policy: conf.get("policy") ?? "other",
          priority: integer(conf.get("priority")) ?? 0,
          cpus: parseCpuList(conf.get("cpus") ?? ""),
          locksMemory: conf.has("lock-memory"),
        },
        unit: limitsOf(unit),
        shown: shown.find((process) => process.pid === pid) ?? null,
        writes:
          first === undefined || last === undefined
            ? null
            : { calls: last.calls - first.calls, bytes: last.bytes - first.bytes },
      },
    ];
  });
}

function readShown(line: string): z.infer<typeof Shown> | undefined {
  try {
    return Shown.safeParse(JSON.parse(line)).data;
  } catch {
    return undefined;
  }
}

function readWrites(lines: readonly string[]): Map<number, { calls: number; bytes: number }> {
  const writes = new Map<number, { calls: number; bytes: number }>();
  for (const line of lines) {
    const [, pid, key, value] = /^\/proc\/(\d+)\/task\/\d+\/io:(wchar|syscw): (\d{1,15})$/.exec(line) ?? [];
    if (pid === undefined) continue;
    const found = writes.get(Number(pid)) ?? { calls: 0, bytes: 0 };
    if (key === "syscw") found.calls = Number(value);
    else found.bytes = Number(value);
    writes.set(Number(pid), found);
  }
  return writes;
}
