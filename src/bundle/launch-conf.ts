import type { NodeConfig, Schedule } from "../config/model.ts";
import { RtkitError } from "../core/errors.ts";
import { formatCpuList } from "../core/units.ts";
import { bundleName } from "./scanned-node.ts";

/** Where the active release lies on the board. */
const NODES_DIR = "/opt/rtnode/current/nodes";

const MEBIBYTE = 1024 ** 2;

/**
 * A node's launch options as rt-launch reads them with `--config`: `NAME VALUE` lines with the words of its command
 * line, in a fixed order. `sdk`: its program has the SDK, so it says when it is ready. Throws RTK_BUNDLE_WATCHDOG when the
 * node is to content a watchdog without it, and RTK_BUNDLE_CONF when a value cannot stand on one line.
 */
export function launchConf(node: NodeConfig, sdk: boolean): string {
  if (node.watchdog !== null && !sdk) {
    throw new RtkitError(
      "RTK_BUNDLE_WATCHDOG",
      `node ${node.name} has a watchdog, and nothing in it that contents it`,
      {
        hint: "use the SDK (rtnode; librtnode.so for executables), or remove watchdog",
        exitStatus: 2,
      },
    );
  }
  const [program, ...args] = commandLine(node);
  const lines: (readonly [string, string?])[] = [
    ...scheduleLines(node.schedule),
    ...(node.schedule.cpus.length === 0 ? [] : [["cpus", formatCpuList(node.schedule.cpus)] as const]),
    ...(node.memory.lock ? [["lock-memory"] as const] : []),
    ["stack", `${node.memory.stack}`],
    ["heap", `${node.memory.heap}`],
    ...(node.limits.rttime === null ? [] : [["rttime", formatNanoseconds(node.limits.rttime)] as const]),
    ...Object.keys(node.env)
      .toSorted()
      .map((name) => ["env", `${name}=${node.env[name]}`] as const),
    ["restart", node.restart],
    ...(sdk ? [["notify"] as const] : []),
    ...(node.watchdog === null ? [] : [["watchdog", formatNanoseconds(wholeMicroseconds(node.watchdog))] as const]),
    ...(node.groups.length === 0 ? [] : [["groups", node.groups.join(",")] as const]),
    ...(node.after.length === 0 ? [] : [["after", node.after.join(",")] as const]),
    ["program", program],
    ...args.map((arg) => ["arg", arg] as const),
  ];
  const body = lines.map(([name, value]) => line(node, name, value));
  return `# Launch options of the node ${node.name}, read by rt-launch --config.\n${body.join("\n")}\n`;
}

function line(node: NodeConfig, name: string, value: string | undefined): string {
  if (value === undefined) return name;
  if (/[\n\0]/.test(value)) {
    throw new RtkitError("RTK_BUNDLE_CONF", `node ${node.name}: the value of ${name} holds a line break or a NUL`, {
      hint: "write it without: the launcher reads one option per line",
      exitStatus: 2,
    });
  }
  return `${name} ${value}`;
}

function scheduleLines(schedule: Schedule): (readonly [string, string])[] {
  const policy = ["policy", schedule.policy] as const;
  switch (schedule.policy) {
    case "other":
    case "batch":
      return [policy, ["nice", `${schedule.nice}`]];
    case "idle":
      return [policy];
    case "fifo":
    case "rr":
      return [policy, ["priority", `${schedule.priority}`]];
    case "deadline":
      return [
        policy,
        ["runtime", formatNanoseconds(schedule.runtime)],
        ["deadline", formatNanoseconds(schedule.deadline)],
        ["period", formatNanoseconds(schedule.period)],
      ];
  }
}

function commandLine(node: NodeConfig): [string, ...string[]] {
  const bundle = `${NODES_DIR}/${bundleName(node)}`;
  switch (node.runtime) {
    case "python":
      // Unbuffered, so that the journal has a line when it was printed; no byte code: the release is read-only.
      return ["/usr/bin/python3", "-u", "-B", bundle, ...node.args];
    case "typescript":
      return ["/usr/bin/node", ...v8Flags(node), bundle, ...node.args];
    case "native":
      return [bundle, ...node.args];
  }
}

/**
 * For a real-time loop V8 collects on the main thread alone, whose policy is the node's, and can be told to collect
 * before the loop starts (`gc()`); helper threads are not real-time and would be waited for. Its young generation is as
 * large from the start as the node's heap is to be: what a loop allocates has room there for long.
 */
function v8Flags({ schedule, memory }: NodeConfig): string[] {
  if (!["fifo", "rr", "deadline"].includes(schedule.policy)) return [];
  const size = Math.ceil(memory.heap / MEBIBYTE);
  const sized = size === 0 ? [] : [`--min-semi-space-size=${size}`, `--max-semi-space-size=${size}`];
  return ["--single-threaded-gc", "--expose-gc", ...sized];
}

/** systemd's times have no smaller unit (systemd.time(7)). */
function wholeMicroseconds(nanoseconds: number): number {
  return Math.ceil(nanoseconds / 1000) * 1000;
}

/** A duration with the largest unit that divides it: `500us`. */
function formatNanoseconds(nanoseconds: number): string {
  const units = [
    ["s", 1e9],
    ["ms", 1e6],
    ["us", 1e3],
  ] as const;
  for (const [unit, size] of units) {
    if (nanoseconds % size === 0 && nanoseconds !== 0) return `${nanoseconds / size}${unit}`;
  }
  return `${nanoseconds}ns`;
}
