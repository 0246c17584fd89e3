/** What happens when a step ends after the next one was due. */
export type OverrunPolicy = "skip" | "catch-up" | "stop";

/** Places in the array of times, nanoseconds: the time read last, and when the next step is due (binding.c). */
export const NOW = 0;
export const DUE = 1;

/**
 * Moves the due time on after a step, given the time in `times[NOW]`: by one period, and under `skip` over all that have
 * passed already. Returns how many steps do not begin in their own period: 0, the number skipped, or 1 for a late one.
 */
export function advance(times: Float64Array, period: number, policy: OverrunPolicy): number {
  const due = (times[DUE] ?? 0) + period;
  const late = (times[NOW] ?? 0) - due;
  times[DUE] = due;
  if (late < 0) return 0;
  if (policy !== "skip") return 1;
  const missed = Math.floor(late / period) + 1;
  times[DUE] = due + missed * period;
  return missed;
}
