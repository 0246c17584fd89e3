import type { Limit } from "../config/model.ts";
import type { LatencyRun } from "./run.ts";

/** A time in microseconds for people: `7 µs`, `1.25 ms`, `2.1 s`. */
export function formatTime(us: number): string {
  if (us < 1000) return `${trim(us, us < 100 && us % 1 !== 0 ? 1 : 0)} µs`;
  if (us < 1e6) return `${trim(us / 1000, us < 10_000 ? 2 : us < 100_000 ? 1 : 0)} ms`;
  return `${trim(us / 1e6, 2)} s`;
}

function trim(value: number, digits: number): string {
  return String(Number(value.toFixed(digits)));
}

/** A count with its thousands apart: `1,234,567`. */
export function formatCount(count: number): string {
  return String(count).replaceAll(/\B(?=(\d{3})+$)/g, ",");
}

/** What a limit of the project file is about. */
export const LIMIT_WORDS: Readonly<Record<Limit, string>> = {
  wakeup_p99: "wake-up p99",
  wakeup_p999: "wake-up p99.9",
  wakeup_max: "longest wake-up",
  step_p99: "step p99",
  step_max: "longest step",
  overruns: "overruns",
  faults: "page faults",
  collections: "collections",
  switches: "involuntary switches",
};

/** The loads of a run for people: `under cpu, disk`, or `idle`. */
export function describeLoads(loads: readonly string[]): string {
  return loads.length === 0 ? "idle" : `under load (${loads.join(", ")})`;
}

/** How a run was made: `60 s under load (cpu, disk), 2026-11-29 12:00 UTC`. */
export function runLine({ seconds, loads, startedAt }: LatencyRun): string {
  return `${Math.round(seconds)} s ${describeLoads(loads)} · ${startedAt.slice(0, 16).replace("T", " ")} UTC`;
}

/** What was measured: the board and its kernel. */
export function boardLine({ board }: LatencyRun): string {
  const kernel = `Linux ${board.kernel}${board.realtime ? ", real-time" : ", not real-time"}`;
  const model = board.model ?? board.architecture;
  return [
    ...(model === null ? [] : [model]),
    kernel,
    ...(board.virtual === null ? [] : [`in a virtual machine (${board.virtual})`]),
  ].join(" · ");
}

/** What the search for a culprit came to, in a sentence. */
export function blameWords({ blame }: LatencyRun): string | undefined {
  if (blame === null) return undefined;
  const { culprit, unavailable, thresholdUs } = blame;
  if (unavailable !== null) return `Who was in the way is not known: ${unavailable}.`;
  if (culprit === null)
    return `No wake-up was later than ${formatTime(thresholdUs)} while rtla looked for who would be in its way.`;
  const where = culprit.cpu === null ? "" : ` on CPU ${culprit.cpu}`;
  return `A wake-up${where} was later than ${formatTime(thresholdUs)}, ${formatTime(culprit.us)} of it by ${culprit.what}.`;
}
