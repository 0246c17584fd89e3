import { addon, errorName } from "./addon.ts";
import { TimerLoop } from "./by-hand.ts";
import { loop, overrunPolicies } from "./loop.ts";
import type { OverrunPolicy } from "./loop.ts";
import { RTNode } from "./node.ts";
import type { RTOptions } from "./node.ts";
import type { Summary } from "./report.ts";
import type { Status } from "./status.ts";

/** Seconds: the loop counts in whole nanoseconds, and a number holds them exactly up to 2^53. */
const SHORTEST = 1e-9;
const LONGEST = 9e6;

/** What the constructor of a periodic node is told. */
export interface PeriodicOptions extends RTOptions {
  /** Seconds from one step to the next. */
  readonly period: number;
  /** Default `skip`: miss steps, keep the rhythm. */
  readonly overrun?: OverrunPolicy;
}

/** Calls `step` every period, on absolute time, until it returns a status other than 0 or the node is to stop. */
export abstract class PeriodicNode extends RTNode {
  readonly period: number;
  readonly overrun: OverrunPolicy;
  /** Steps that returned 0. */
  cycles = 0;
  /** Steps that did not begin in their own period: skipped, or begun late. */
  overruns = 0;
  #timers: TimerLoop | undefined;

  constructor(options: PeriodicOptions) {
    super(options);
    const { period, overrun = "skip" } = options;
    if (!(period >= SHORTEST && period <= LONGEST)) {
      throw new RangeError(`period is a number of seconds above 0, not ${period}`);
    }
    // For callers in JavaScript.
    if (!overrunPolicies.includes(overrun)) {
      throw new RangeError(`overrun is skip, catch-up or stop, not ${String(overrun)}`);
    }
    this.period = period;
    this.overrun = overrun;
  }

  /** One cycle. Returns at once: no promises, no files; 0 to go on. */
  abstract step(): Status;

  override run(): Status | Promise<Status> {
    if (addon === undefined) {
      this.#timers = new TimerLoop();
      return this.#timers.run(this, this.period * 1000, this.overrun);
    }
    const error = addon.loopBegin(Math.round(this.period * 1e9), overrunPolicies.indexOf(this.overrun));
    if (error !== 0) throw new Error(`rtnode_loop_begin: ${errorName(error)}`);
    return loop(addon, this);
  }

  protected override summary(): Summary {
    return this.#timers?.summary() ?? super.summary();
  }
}
