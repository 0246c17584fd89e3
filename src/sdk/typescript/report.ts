/** The members of a loop's summary in the order of struct rtnode_summary (rtnode.h); times are microseconds. */
export const summaryMembers = [
  "cycles",
  "overruns",
  "minorFaults",
  "majorFaults",
  "involuntarySwitches",
  "migrations",
  "collections",
  "wakeupP50",
  "wakeupP99",
  "wakeupP999",
  "wakeupMax",
  "executionP50",
  "executionP99",
  "executionP999",
  "executionMax",
] as const;

/** What a loop came to. A member that was not counted is missing. */
export type Summary = { readonly [Member in (typeof summaryMembers)[number]]?: number };

/** A summary from the array that the addon filled in. */
export function readSummary(values: Float64Array): Summary {
  return Object.fromEntries(summaryMembers.map((member, index) => [member, values[index]]));
}

function times(what: string, p50 = 0, p99 = 0, max = 0): string {
  return `${what} p50 ${p50.toFixed(0)}, p99 ${p99.toFixed(0)}, max ${max.toFixed(0)} µs`;
}

/** The statistics of a loop as one line; the Python SDK says the same. */
export function describe(summary: Summary): string {
  const counts = [
    [summary.minorFaults, "minor faults"],
    [summary.majorFaults, "major faults"],
    [summary.involuntarySwitches, "involuntary switches"],
    [summary.migrations, "migrations"],
    [summary.collections, "collections"],
  ] as const;
  const counted = counts.filter(([count]) => count !== undefined).map(([count, name]) => `${count} ${name}`);
  const parts = [`${summary.cycles ?? 0} cycles, ${summary.overruns ?? 0} overruns`];
  if ((summary.executionMax ?? 0) > 0) {
    parts.push(times("wake-up", summary.wakeupP50, summary.wakeupP99, summary.wakeupMax));
    parts.push(times("step", summary.executionP50, summary.executionP99, summary.executionMax));
  }
  return [...parts, ...(counted.length === 0 ? [] : [counted.join(", ")])].join("; ");
}
