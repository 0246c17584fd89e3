/** What a step of a loop is told to do, nanoseconds: how long it takes, and how late the kernel wakes it. */
export interface Step {
  readonly takes: number;
  readonly late: number;
}

/** What a loop comes to. */
export interface Course {
  /** What each wait gives: missed steps, or `ETIME`. */
  readonly answers: readonly (number | "ETIME")[];
  readonly cycles: number;
  readonly overruns: number;
  /** Nanoseconds; only of steps that were waited for. */
  readonly wakeups: readonly number[];
  readonly executions: readonly number[];
}

export const policies = ["skip", "catch-up", "stop"] as const;

/**
 * The rules of rtnode.h in other words than loop.c's: step n is due n periods after the beginning. With `skip` the next
 * step is the first one that is still to come; with the others it is the next, however late.
 */
export function courseOf(period: number, policy: (typeof policies)[number], steps: readonly Step[]): Course {
  const answers: (number | "ETIME")[] = [];
  const wakeups: number[] = [];
  const executions: number[] = [];
  let [now, due, missed, overruns] = [0, 1, 0, 0];
  for (const { takes, late } of steps) {
    if (now < due * period) {
      wakeups.push(late);
      now = due * period + late;
    }
    answers.push(missed);
    now += takes;
    executions.push(takes);
    const toCome = Math.floor(now / period) + 1;
    const isLate = toCome > due + 1;
    missed = !isLate ? 0 : policy === "skip" ? toCome - due - 1 : 1;
    overruns += missed;
    due = policy === "skip" ? Math.max(toCome, due + 1) : due + 1;
    if (isLate && policy === "stop") {
      answers.push("ETIME");
      break;
    }
  }
  return { answers, cycles: executions.length, overruns, wakeups, executions };
}
