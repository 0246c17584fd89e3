import { setTimeout as delay } from "node:timers/promises";
import { addon, errorName, launched } from "./addon.ts";
import { identify } from "./identity.ts";
import type { Identity } from "./identity.ts";
import { rehearse } from "./loop.ts";
import { disagreement, missing } from "./process-state.ts";
import { describe, readSummary, summaryMembers } from "./report.ts";
import type { Summary } from "./report.ts";
import { nodeName, say } from "./say.ts";
import { STATUS_SOFTWARE } from "./status.ts";
import type { Status } from "./status.ts";

/** What a node has: calls that return a status. `init` and `finalize` may wait; `run` should not. */
export abstract class BaseNode {
  readonly identity: Identity = identify();
  /** All that may wait: opening devices, reading files, allocating. */
  abstract init(): Status | Promise<Status>;
  /** Called after `init`, before anything counts: run here what the loop will, until V8 has compiled it; move nothing. */
  warmUp(): Status | Promise<Status> {
    return 0;
  }
  /** The node's work, until `stopping`. */
  abstract run(): Status | Promise<Status>;
  /** Always called: bring the machine to rest, then write what is to be kept. */
  abstract finalize(): Status | Promise<Status>;
}

/** What the constructor of a node may be told. On a board the project file decides, and the node says where they differ. */
export interface RTOptions {
  /** The node expects to be real-time, and says so when it is not (default true). */
  readonly realtime?: boolean;
  /** For rt-launch's command line when started by hand (default fifo): a Node.js program cannot set it itself. */
  readonly policy?: "fifo" | "rr" | undefined;
  /** 1 to 98 (default 40). */
  readonly priority?: number | undefined;
}

/** A node with its own loop in `run`, which looks at `stopping` and calls `alive` in each turn. */
export abstract class RTNode extends BaseNode {
  readonly realtime: boolean;
  readonly policy: "fifo" | "rr" | undefined;
  readonly priority: number | undefined;
  #stopped = false;
  #finalizing = false;
  /** Of `alive`, as far as no addon counts them. */
  #turns = 0;

  constructor({ realtime = true, policy, priority }: RTOptions = {}) {
    super();
    // For callers in JavaScript.
    if (policy !== undefined && !["fifo", "rr"].includes(policy)) {
      throw new RangeError(`policy is fifo or rr, not ${String(policy)}`);
    }
    if (priority !== undefined && !(Number.isInteger(priority) && priority >= 1 && priority <= 98)) {
      throw new RangeError(`priority is from 1 to 98, not ${priority}`);
    }
    this.realtime = realtime;
    this.policy = policy;
    this.priority = priority;
  }

  /** True once SIGTERM or SIGINT came; also in a loop that never returns to the event loop. */
  get stopping(): boolean {
    return this.#stopped || (addon !== undefined && addon.stopRequested() !== 0);
  }

  /** Writes a line to the log; in the loop too, where it costs no system call. It appears within 50 ms. 0, or -ENOBUFS. */
  log(text: string): number {
    if (addon !== undefined) return addon.log(`${nodeName}: ${text}`);
    say(text);
    return 0;
  }

  /** For a `run` of one's own: a turn of its loop is over. Counts it, and contents systemd's watchdog. */
  alive(): void {
    this.#turns += 1;
    addon?.alive();
  }

  /** Runs the node and leaves the process with its status; never returns. */
  async main(): Promise<never> {
    const asked = later();
    // In `run` the loop looks at `stopping`; a second signal means that it does not.
    const insisted = later();
    const stop = (): void => {
      if (this.#stopped) insisted.settle(0);
      this.#stopped = true;
      asked.settle(0);
    };
    process.on("SIGTERM", stop).on("SIGINT", stop);
    // Over the event loop's own handlers, before anything keeps that loop from turning.
    const deaf = addon?.catchSignals() ?? 0;
    if (deaf !== 0) throw new Error(`sigaction: ${errorName(deaf)}`);
    let escaped: Status = 0;
    const failed = later();
    // What a callback throws belongs to no call, and would end the process without finalize.
    process.on("uncaughtException", (error) => {
      if (escaped === 0) report("a callback", error);
      escaped = STATUS_SOFTWARE;
      failed.settle(STATUS_SOFTWARE);
    });
    process.on("exit", (left) => this.#onExit(left));
    const ends = [asked.status, failed.status];
    let status = await call("init", () => Promise.race([this.init(), ...ends]));
    if (status === 0 && !this.stopping) {
      if (launched) say(`is ${this.identity.uniqueId} on ${this.identity.platformId}`);
      this.#sayWhatDiffers();
      status = await call("warmUp", () => Promise.race([this.warmUp(), ...ends]));
    }
    if (status === 0 && !this.stopping) {
      status = await call("run", () => this.#runCritical([insisted.status, failed.status]));
    }
    addon?.stopping();
    this.#finalizing = true;
    // Bringing the machine to rest is not cut short by anything.
    const last = await call("finalize", () => this.finalize());
    return leave(status || last || escaped);
  }

  /** `run`, or what ends it from outside; what happened meanwhile is counted and said afterwards. */
  async #runCritical(ends: readonly Promise<Status>[]): Promise<Status> {
    const collections = addon?.watchCollections() ?? 0;
    if (collections !== 0) say(`V8's collections are not counted: ${errorName(collections)}`);
    // V8's collector cannot be switched off: collect what start-up left behind (twice: the second takes what the first
    // one's callbacks freed). Needs --expose-gc. Before `ready`, which shortens RLIMIT_RTTIME: this does not block.
    globalThis.gc?.();
    globalThis.gc?.();
    // After them: V8 has kept no room, and takes a new page (a system call, and 127 faults) for what comes first.
    if (addon !== undefined) rehearse(addon);
    const ready = addon?.ready() ?? 0;
    if (ready !== 0) {
      say(`rtnode_ready: ${errorName(ready)}: RLIMIT_RTTIME or the notice to systemd failed`);
      return STATUS_SOFTWARE;
    }
    const published = addon?.countBegin(nodeName, this.identity.uniqueId) ?? 0;
    if (published !== 0) say(`statistics are not published: ${errorName(published)}`);
    const status = await call("run", () => Promise.race([this.run(), ...ends]));
    say(describe(this.summary()));
    return status;
  }

  /** For whoever leaves in the middle: what finalize does at once is done, and there is no time for more. */
  #onExit(status: number): void {
    if (this.#finalizing) return;
    say("left in the middle: something called process.exit(), or there was nothing to wait for");
    addon?.stopping();
    try {
      void this.finalize();
    } catch (error) {
      report("finalize", error);
    }
    addon?.leave(status);
  }

  /** Ends the counting. */
  protected summary(): Summary {
    if (addon === undefined) return { cycles: this.#turns };
    const values = new Float64Array(new ArrayBuffer(summaryMembers.length * Float64Array.BYTES_PER_ELEMENT));
    addon.countEnd(values);
    return readSummary(values);
  }

  #sayWhatDiffers(): void {
    const { policy = "fifo", priority = 40 } = this;
    const lacks = this.realtime ? missing() : [];
    if (lacks.length > 0) {
      const how = `rt-launch --policy ${policy} --priority ${priority} --lock-memory`;
      say(`not real-time: ${lacks.join("; ")}; start it with ${how}`);
    }
    const differs = disagreement(this);
    if (differs !== undefined) say(differs);
  }
}

/** A status that is not known yet. */
function later(): { readonly status: Promise<Status>; readonly settle: (status: Status) => void } {
  let resolve: ((status: Status) => void) | undefined;
  const status = new Promise<Status>((done) => (resolve = done));
  return { status, settle: (value) => resolve?.(value) };
}

function report(where: string, error: unknown): void {
  say(`${where}: ${error instanceof Error ? (error.stack ?? error.message) : String(error)}`);
}

/** A status, whatever the call does; an exception is reported once, here. */
async function call(name: string, what: () => Status | Promise<Status>): Promise<Status> {
  let status: unknown;
  try {
    status = await what();
  } catch (error) {
    report(name, error);
    return STATUS_SOFTWARE;
  }
  if (typeof status === "number" && Number.isInteger(status)) return status;
  say(`${name} returned ${String(status)}; it must return an integer, 0 for all well`);
  return STATUS_SOFTWARE;
}

/** How long standard output and error may take to be written, ms: nobody may be reading, and the unit gives 5 s in all. */
const FLUSH_MS = 1000;

/** Node queues what a pipe or socket does not take at once, and leaving would throw it away. */
async function leave(status: Status): Promise<never> {
  const written = [process.stdout, process.stderr].map(
    (stream) =>
      new Promise<void>((resolve) => {
        stream.once("error", () => resolve());
        stream.write("", () => resolve());
      }),
  );
  await Promise.race([Promise.all(written), delay(FLUSH_MS)]);
  const exitStatus = status >= 0 && status <= 255 ? status : 255;
  if (addon !== undefined) addon.leave(exitStatus);
  process.exit(exitStatus);
}
