/**
 * The order in which boards get a release: the first `canary` of them, then the others, `concurrency` at a time. A wave
 * begins when the one before it has ended; none is empty.
 */
export function planWaves<T>(
  boards: readonly T[],
  { canary, concurrency }: { readonly canary: number; readonly concurrency: number },
): T[][] {
  const waves = canary === 0 ? [] : [boards.slice(0, canary)];
  for (let next = canary; next < boards.length; next += concurrency) waves.push(boards.slice(next, next + concurrency));
  return waves.filter((wave) => wave.length > 0);
}

/** Which boards get it first (0 for none), and how many may fail. */
export interface Caution {
  readonly canary: number;
  readonly maxFailures: number;
}

/** Why no further board is begun when so many were, and so many of them failed; undefined when the next may be. */
export function whyStop(begun: number, failed: number, { canary, maxFailures }: Caution): string | undefined {
  if (failed > 0 && begun <= canary) return `${failed} of the first ${begun} boards failed`;
  if (failed > maxFailures) return `${failed} boards failed, and --max-failures is ${maxFailures}`;
  return undefined;
}
