import { constants } from "node:os";
import type { Addon } from "./addon.ts";
import { errorName } from "./addon.ts";
import { STATUS_OVERRUN } from "./status.ts";
import type { Status } from "./status.ts";

/** What happens when a step ends after the next one was due, in the order of enum rtnode_overrun (rtnode.h). */
export const overrunPolicies = ["skip", "catch-up", "stop"] as const;

export type OverrunPolicy = (typeof overrunPolicies)[number];

const { ECANCELED, ETIME } = constants.errno;

/** What is called every period. */
export interface Stepping {
  step(): Status;
  cycles: number;
  overruns: number;
}

/** Calls `step` every period until it returns a status other than 0, or the process is asked to stop. */
export function loop(native: Addon, node: Stepping): Status {
  for (;;) {
    const missed = native.wait();
    if (missed !== 0) {
      if (missed === -ECANCELED) return 0;
      if (missed === -ETIME) {
        node.overruns += 1;
        return STATUS_OVERRUN;
      }
      if (missed < 0) throw new Error(`rtnode_loop_wait: ${errorName(missed)}`);
      node.overruns += missed;
    }
    const status = node.step();
    if (status !== 0) return atOnce(status);
    node.cycles += 1;
  }
}

/** Turns of each part of the rehearsal: V8 has compiled the loop after fewer. */
const REHEARSAL_TURNS = 1000;
const REHEARSAL_PERIOD_NS = 10_000;

/**
 * Runs the loop with nothing in it, so that V8 compiles it before anything counts: with more kinds of objects than V8
 * tells apart (four), since code for one kind would be thrown away and compiled again when the real node comes.
 */
export function rehearse(native: Addon): void {
  for (let kind = 0; kind < 6; kind += 1) {
    const members = { cycles: 0, overruns: 0, step: () => (nothing.cycles < REHEARSAL_TURNS ? 0 : 1) };
    const nothing: Stepping = Object.assign({ [`kind${kind}`]: kind }, members);
    native.loopBegin(REHEARSAL_PERIOD_NS, overrunPolicies.indexOf("skip"));
    loop(native, nothing);
  }
}

/** A status that is there; an async `step` would look like one that ended well. */
export function atOnce(status: unknown): Status {
  if (typeof status === "number") return status;
  throw new TypeError(`step returned ${String(status)}; it must return an integer, at once`);
}
