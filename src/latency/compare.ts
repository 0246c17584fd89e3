import { countOf, merge, PERCENTILES, percentile, type Histogram } from "./histogram.ts";
import type { LatencyRun, NodeRun } from "./run.ts";
import { describeLoads, formatTime } from "./words.ts";

/** One figure of two runs, microseconds; null where a run has too few samples to say it. */
export interface FigureChange {
  /** `all CPUs`, or a node. */
  readonly subject: string;
  /** `p99`, `longest wake-up`, … */
  readonly figure: string;
  readonly before: number | null;
  readonly after: number | null;
  readonly change: "better" | "worse" | "same" | "unknown";
}

/** A setting, kernel or board that differs. */
export interface SettingChange {
  readonly name: string;
  readonly before: string;
  readonly after: string;
}

/** What changed since an earlier run. */
export interface Comparison {
  readonly earlier: LatencyRun;
  readonly figures: readonly FigureChange[];
  readonly settings: readonly SettingChange[];
  /** One sentence. */
  readonly headline: string;
  /** Why the two cannot be compared like with like; a sentence each. */
  readonly caveats: readonly string[];
}

/** Compares a run with an earlier one. */
export function compareRuns(earlier: LatencyRun, later: LatencyRun): Comparison {
  const figures = [
    ...compareTimes("all CPUs", "wake-up", allCpus(earlier), allCpus(later)),
    ...later.nodes.flatMap((node) =>
      compareNodes(
        earlier.nodes.find(({ name }) => name === node.name),
        node,
      ),
    ),
  ];
  const settings = settingChanges(earlier, later);
  return { earlier, figures, settings, headline: headline(figures, settings), caveats: caveatsOf(earlier, later) };
}

function allCpus({ cyclictest }: LatencyRun): Histogram {
  return merge(cyclictest.cpus.map(({ times }) => times));
}

function compareNodes(before: NodeRun | undefined, { name, loop }: NodeRun): FigureChange[] {
  if (before === undefined || before.loop === null || loop === null) return [];
  return [
    ...compareTimes(name, "wake-up", before.loop.wakeup, loop.wakeup),
    ...compareTimes(name, "step", before.loop.step, loop.step),
  ];
}

function compareTimes(subject: string, of: string, before: Histogram, after: Histogram): FigureChange[] {
  const shares = PERCENTILES.map((which) => {
    const [was, is] = [percentile(before, which), percentile(after, which)];
    return { subject, figure: `${of} ${which.name}`, before: was, after: is, change: changeOf(was, is, CLEARLY) };
  });
  const longest = [before, after].map((times) => (countOf(times) === 0 ? null : times.max));
  const [was = null, is = null] = longest;
  return [
    ...shares.filter((figure) => figure.before !== null || figure.after !== null),
    { subject, figure: `longest ${of}`, before: was, after: is, change: changeOf(was, is, OF_ONE_SAMPLE) },
  ];
}

/** By what factor a percentile has to change before that is said; and the longest time, which is a single sample. */
const CLEARLY = 1.1;
const OF_ONE_SAMPLE = 1.5;

/** Microseconds: what is closer is a bin beside. */
const LEAST_US = 2;

function changeOf(before: number | null, after: number | null, factor: number): FigureChange["change"] {
  if (before === null || after === null) return "unknown";
  if (Math.abs(after - before) < LEAST_US) return "same";
  if (after > before * factor) return "worse";
  return before > after * factor ? "better" : "same";
}

/** A setting by its name, as people read it; what is not known says so. */
function settingsOf({ board, settings, cyclictest, nodes }: LatencyRun): Map<string, string> {
  return new Map([
    ["board", board.model ?? "unknown"],
    ["kernel", `${board.kernel}${board.realtime ? " (real-time)" : " (not real-time)"}`],
    ["virtual machine", board.virtual ?? "none"],
    ["release", board.release === null ? "none" : board.release.slice(0, 12)],
    ...Object.entries(settings).map(([name, value]): [string, string] => [name, value ?? "unknown"]),
    ["cyclictest", cyclictest.version],
    ...nodes.map((node): [string, string] => [
      `node ${node.name}`,
      `${node.policy ?? "not running"} ${node.priority ?? ""} on CPUs ${node.cpus ?? "?"}`,
    ]),
  ]);
}

function settingChanges(earlier: LatencyRun, later: LatencyRun): SettingChange[] {
  const [before, after] = [settingsOf(earlier), settingsOf(later)];
  return [...new Set([...before.keys(), ...after.keys()])].flatMap((name) => {
    const [was, is] = [before.get(name) ?? "not there", after.get(name) ?? "not there"];
    return was === is ? [] : [{ name, before: was, after: is }];
  });
}

function headline(figures: readonly FigureChange[], settings: readonly SettingChange[]): string {
  const told = (which: FigureChange["change"]): string | undefined => {
    const all = figures.filter(({ change }) => change === which);
    const [first] = all.toSorted((a, b) => ratio(b) - ratio(a));
    if (first === undefined) return undefined;
    const most = `${first.subject} ${first.figure}, from ${formatTime(first.before ?? 0)} to ${formatTime(first.after ?? 0)}`;
    return `${all.length} figure${all.length === 1 ? " is" : "s are"} ${which} (the most: ${most})`;
  };
  const parts = [told("worse"), told("better")].filter((text) => text !== undefined);
  const changed =
    settings.length === 0
      ? "no setting differs"
      : `${settings.length} setting${settings.length === 1 ? " differs" : "s differ"}`;
  return `${parts.length === 0 ? "No figure changed clearly" : parts.join("; ")}; ${changed}.`;
}

function ratio({ before, after }: FigureChange): number {
  const [a, b] = [Math.max(before ?? 0, 1), Math.max(after ?? 0, 1)];
  return Math.max(a / b, b / a);
}

function caveatsOf(earlier: LatencyRun, later: LatencyRun): string[] {
  const loads = [earlier, later].map((run) => describeLoads(run.loads));
  const intervals = [earlier, later].map((run) => run.cyclictest.intervalUs);
  return [
    ...(earlier.host === later.host ? [] : [`The earlier run is of another board, ${earlier.host}.`]),
    ...(loads[0] === loads[1] ? [] : [`The earlier run was ${loads[0]}, this one ${loads[1]}.`]),
    ...(intervals[0] === intervals[1]
      ? []
      : [`cyclictest woke every ${intervals[0]} µs then, and every ${intervals[1]} µs now.`]),
    ...(earlier.requestedSeconds === later.requestedSeconds
      ? []
      : [
          `The earlier run took ${earlier.requestedSeconds} s, this one ${later.requestedSeconds} s: the longest times of a longer run are longer.`,
        ]),
  ];
}
