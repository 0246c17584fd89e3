import { setTimeout as delay } from "node:timers/promises";
import { atOnce } from "./loop.ts";
import type { OverrunPolicy, Stepping } from "./loop.ts";
import type { Summary } from "./report.ts";
import { STATUS_OVERRUN } from "./status.ts";
import type { Status } from "./status.ts";

/** The longest sleep at a stretch, ms: how long a signal may have to wait. */
const NAP = 100;

/** One bin per microsecond; the last holds all that is longer. */
const BINS = 100_000;

/** Times in microseconds, as the ones of histogram.c but for the tail. */
class Histogram {
  readonly #bins = new Uint32Array(BINS);
  #count = 0;
  max = 0;

  add(us: number): void {
    const bin = Math.min(Math.max(Math.ceil(us) - 1, 0), BINS - 1);
    this.#bins[bin] = (this.#bins[bin] ?? 0) + 1;
    this.#count += 1;
    this.max = Math.max(this.max, us);
  }

  quantile(share: number): number {
    let seen = 0;
    const bin = this.#bins.findIndex((count) => (seen += count) > 0 && seen >= share * this.#count);
    return bin < 0 || bin === BINS - 1 ? this.max : Math.min(bin + 1, this.max);
  }
}

/** What stands in for librtnode.so where there is none: the loop on the timers of Node's event loop. */
export class TimerLoop {
  readonly #wakeup = new Histogram();
  readonly #execution = new Histogram();
  #cycles = 0;
  #overruns = 0;

  /** Calls `step` every `period` milliseconds until it returns a status other than 0, or the node is to stop. */
  async run(node: Stepping & { readonly stopping: boolean }, period: number, policy: OverrunPolicy): Promise<Status> {
    let due = performance.now() + period;
    for (;;) {
      const waits = performance.now() < due;
      do {
        // At least one turn of the event loop, where signals are heard.
        await delay(Math.min(Math.max(0, due - performance.now()), NAP));
        if (node.stopping) return 0;
      } while (performance.now() < due);
      const woken = performance.now();
      if (waits) this.#wakeup.add((woken - due) * 1000);
      const status = node.step();
      const ended = performance.now();
      this.#execution.add((ended - woken) * 1000);
      if (status !== 0) return atOnce(status);
      node.cycles = this.#cycles += 1;
      due += period;
      if (ended < due) continue;
      const missed = policy === "skip" ? Math.floor((ended - due) / period) + 1 : 1;
      node.overruns = this.#overruns += missed;
      if (policy === "stop") return STATUS_OVERRUN;
      if (policy === "skip") due += missed * period;
    }
  }

  /** What the loop came to; page faults and the like are not known per thread here. */
  summary(): Summary {
    const [wakeup, execution] = [this.#wakeup, this.#execution];
    return {
      cycles: this.#cycles,
      overruns: this.#overruns,
      wakeupP50: wakeup.quantile(0.5),
      wakeupP99: wakeup.quantile(0.99),
      wakeupMax: wakeup.max,
      executionP50: execution.quantile(0.5),
      executionP99: execution.quantile(0.99),
      executionMax: execution.max,
    };
  }
}
