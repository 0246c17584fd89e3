import { constants } from "node:os";
import { setTimeout as delay } from "node:timers/promises";
import { addon } from "./addon.ts";
import type { Addon } from "./addon.ts";
import { advance, DUE, NOW } from "./cadence.ts";
import type { OverrunPolicy } from "./cadence.ts";
import { RTNode, STATUS_SOFTWARE } from "./node.ts";
import type { RTOptions, Status } from "./node.ts";
import { say } from "./say.ts";

export type { OverrunPolicy };

/** Exit status of a node with overrun policy `stop` whose step took longer than its period (EX_TEMPFAIL of sysexits.h). */
export const STATUS_OVERRUN = 75;

/** Seconds: the loop counts in whole nanoseconds, and a Float64Array holds them exactly up to 2^53. */
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

  constructor(options: PeriodicOptions) {
    super(options);
    const { period, overrun = "skip" } = options;
    if (!(period >= SHORTEST && period <= LONGEST)) {
      throw new RangeError(`period is a number of seconds above 0, not ${period}`);
    }
    // For callers in JavaScript.
    if (!["skip", "catch-up", "stop"].includes(overrun)) {
      throw new RangeError(`overrun is skip, catch-up or stop, not ${String(overrun)}`);
    }
    this.period = period;
    this.overrun = overrun;
  }

  /** One cycle. Returns at once: no promises, no files; 0 to go on. */
  abstract step(): Status;

  override run(): Status | Promise<Status> {
    // An ArrayBuffer of its own: V8 moves the memory of small typed arrays that have none.
    const times = new Float64Array(new ArrayBuffer(2 * Float64Array.BYTES_PER_ELEMENT));
    const period = Math.round(this.period * 1e9);
    return addon === undefined ? this.#runOnTimers(times, period) : this.#runOnAddon(addon, times, period);
  }

  #runOnAddon(native: Addon, times: Float64Array, period: number): Status {
    native.attach(times);
    native.now();
    times[DUE] = (times[NOW] ?? 0) + period;
    while (!this.stopping) {
      const slept = native.sleepUntil();
      if (slept === -constants.errno.EINTR) continue;
      if (slept !== 0) {
        say(`clock_nanosleep failed (errno ${-slept})`);
        return STATUS_SOFTWARE;
      }
      const status = this.step();
      if (status !== 0) return atOnce(status);
      native.now();
      if (this.#account(times, period)) return STATUS_OVERRUN;
    }
    return 0;
  }

  async #runOnTimers(times: Float64Array, period: number): Promise<Status> {
    times[DUE] = now() + period;
    while (!this.stopping) {
      // At least one turn of the event loop, where signals are heard.
      await delay(Math.max(0, ((times[DUE] ?? 0) - now()) / 1e6));
      if (this.stopping) break;
      const status = this.step();
      if (status !== 0) return atOnce(status);
      times[NOW] = now();
      if (this.#account(times, period)) return STATUS_OVERRUN;
    }
    return 0;
  }

  /** Counts a step that ended; true when the node must stop for an overrun. */
  #account(times: Float64Array, period: number): boolean {
    this.cycles += 1;
    const missed = advance(times, period, this.overrun);
    this.overruns += missed;
    return missed > 0 && this.overrun === "stop";
  }
}

/** A status that is there; an async `step` would look like one that ended well. */
function atOnce(status: unknown): Status {
  if (typeof status === "number") return status;
  throw new TypeError(`step returned ${String(status)}; it must return an integer, at once`);
}

function now(): number {
  return Number(process.hrtime.bigint());
}
