import * as z from "zod";
import { RtkitError } from "../core/errors.ts";
import { printable } from "../core/printable.ts";
import { formatAddress } from "./address.ts";
import { answerOf, understood } from "./rtnodectl.ts";
import { linkLost } from "./ssh-failures.ts";
import type { Connection } from "./transport.ts";

/** Needs no rights: what it reads anybody may read. */
const COMMAND = "/usr/lib/rtnode/rt-launch show --watch";

const Count = z.number().nonnegative();

const Stats = z.object({
  state: z.enum(["running", "ended"]),
  periodUs: Count.nullable(),
  cycles: Count,
  overruns: Count,
  minorFaults: Count,
  majorFaults: Count,
  involuntarySwitches: Count,
  collections: Count,
  /** The latest wake-up since the loop began. */
  wakeupMaxUs: Count,
  /** What was added since the look before; null of the first, and of a node that has started again. */
  last: z
    .object({
      cycles: Count,
      overruns: Count,
      /** `p99` of fewer than 100 wake-ups is null. */
      wakeupUs: z.object({ p50: Count, p99: Count.nullable(), max: Count }).nullable(),
    })
    .nullable(),
});

const Node = z.object({
  name: z.string().max(63).transform(printable),
  /** Null: it does not run, and the rest is null too. */
  pid: z.int().nullable(),
  /** Of one CPU, since the look before, with all processes of the node's service. */
  cpuPercent: Count.nullable(),
  /** Resident. */
  memoryKiB: Count.nullable(),
  /** Null of a node that publishes none. */
  stats: Stats.nullable(),
});

const Look = z.object({
  /** Since the look before; 0 of the first. */
  seconds: Count,
  nodes: z.array(Node).max(64),
});

/** What a board's nodes did since the look before, `rt-launch show --watch`. */
export type Look = z.infer<typeof Look>;
/** One node in it. */
export type LookedAt = z.infer<typeof Node>;

/**
 * Passes on how a board's nodes are, once a second, until aborted. Throws RTK_SSH_LOST when the connection breaks,
 * RTK_DEPLOY_BOARD_OLD and RTK_DEPLOY_NO_RTNODECTL where the launcher does not know this or is not there, and
 * RTK_DEPLOY_ANSWER for what cannot be understood.
 */
export async function watchNodes(
  connection: Connection,
  onLook: (look: Look) => void,
  signal: AbortSignal,
): Promise<never> {
  const { address } = connection;
  const stop = new AbortController();
  let looks = 0;
  const take = (line: string): void => {
    if (stop.signal.aborted) return;
    try {
      onLook(understood(address, () => Look.parse(JSON.parse(line))));
      looks += 1;
    } catch (error) {
      stop.abort(error);
    }
  };
  const end = await connection.run(COMMAND, { onLine: take, signal: AbortSignal.any([signal, stop.signal]) });
  // It goes on for as long as the board does.
  if (looks > 0) throw linkLost(address);
  if (end.status === 125) {
    throw new RtkitError("RTK_DEPLOY_BOARD_OLD", `the rt-launch of ${formatAddress(address)} cannot watch nodes`, {
      hint: "its image is older than this rtkit: build and write it anew; other systems: rtkit deploy --bootstrap",
    });
  }
  answerOf(address, end);
  throw linkLost(address);
}
