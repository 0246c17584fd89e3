import type { Look, LookedAt } from "../../deploy/node-watch.ts";
import { table } from "../../ui/table.ts";

const HEADS = [
  "NAME",
  "PID",
  "RATE/HZ",
  "P50/US",
  "P99/US",
  "MAX/US",
  "WORST/US",
  "OVERRUNS",
  "FAULTS",
  "CPU/%",
  "MEMORY/MIB",
];

/** What the columns are, for those who see them for the first time. */
export const LEGEND =
  "wake-ups of the last second (p99 of 100 and more), WORST since the node began; overruns and page faults since it began";

/** A row for each node, under heads. */
export function lookTable({ seconds, nodes }: Look): string[] {
  const sorted = nodes.toSorted((a, b) => a.name.localeCompare(b.name, "en"));
  return table([HEADS, ...sorted.map((node) => cells(node, seconds))]);
}

/** A line for each node, for logs. */
export function lookLines({ seconds, nodes }: Look): string[] {
  return nodes.map((node) => {
    const [name, pid, rate, p50, p99, max, worst, overruns, faults, cpu, memory] = cells(node, seconds);
    if (node.pid === null) return `${name} does not run`;
    const times = `p50 ${p50}, p99 ${p99}, max ${max}, worst ${worst} us`;
    return `${name} ${pid} ${rate} Hz, ${times}, ${overruns} overruns, ${faults} faults, cpu ${cpu} %, ${memory} MiB`;
  });
}

function cells({ name, pid, cpuPercent, memoryKiB, stats }: LookedAt, seconds: number): string[] {
  const last = stats?.last ?? null;
  const times = last?.wakeupUs ?? null;
  return [
    name,
    pid === null ? "-" : String(pid),
    known(last === null || seconds === 0 ? null : last.cycles / seconds, 1),
    known(times?.p50, 0),
    known(times?.p99, 0),
    known(times?.max, 0),
    known(stats?.wakeupMaxUs, 0),
    known(stats?.overruns, 0),
    stats === null ? "-" : `${stats.minorFaults}+${stats.majorFaults}`,
    known(cpuPercent, 1),
    known(memoryKiB === null ? null : memoryKiB / 1024, 1),
  ];
}

function known(value: number | null | undefined, digits: number): string {
  return value === null || value === undefined ? "-" : value.toFixed(digits);
}
