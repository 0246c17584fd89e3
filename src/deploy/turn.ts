import { setTimeout as sleep } from "node:timers/promises";
import { RtkitError } from "../core/errors.ts";
import { formatAddress } from "./address.ts";
import type { Answer } from "./exchange.ts";
import { askStatus } from "./rtnodectl.ts";
import type { Connection } from "./transport.ts";

/** How a board came to be on a release. */
export interface Turn {
  /** Who made it active: we; another deploy of the same release, which confirmed it already, or not yet. */
  readonly by: "us" | "another, confirmed" | "another, not confirmed";
  /** The release that was active before. */
  readonly previous: string | null;
}

/** Between two looks at whether another deploy is done, ms: each costs the board a few processes. */
const LOOK_MS = 250;

/** How rtnodectl refuses to activate while another release waits to be confirmed. */
const HELD = /refused: (?:.*; )?(.+) activated [0-9a-f]{64} and has not confirmed it yet/;

/**
 * Gives the order to make a release active; while another deploy has activated one and not confirmed it, waits for that first.
 * Throws RTK_DEPLOY_BUSY, which says whose it is, when that takes longer than `timeoutSeconds`, and as the order.
 */
export async function activateInTurn(
  connection: Connection,
  id: string,
  order: () => Promise<Answer>,
  options: {
    readonly timeoutSeconds: number;
    readonly progress: (text: string) => void;
    readonly signal: AbortSignal;
  },
): Promise<Turn> {
  const until = performance.now() + options.timeoutSeconds * 1000;
  for (;;) {
    const answer = await refused(order);
    if (!(answer instanceof RtkitError)) {
      return answer.release === id ? anothers(answer) : { by: "us", previous: answer.release };
    }
    let seen = await askStatus(connection);
    if (seen.release === id) return anothers(seen);
    const holder = HELD.exec(answer.message)?.[1];
    if (holder === undefined) throw answer;
    const held = seen.pending;
    while (seen.pending !== null && seen.pending === held) {
      if (performance.now() > until) throw busy(connection, holder, held);
      options.progress(`waits for the deploy of ${holder}`);
      await sleep(LOOK_MS, undefined, { signal: options.signal });
      seen = await askStatus(connection);
    }
  }
}

function anothers({ previous, pending }: Pick<Answer, "previous" | "pending">): Turn {
  return { by: pending === null ? "another, confirmed" : "another, not confirmed", previous };
}

async function refused(order: () => Promise<Answer>): Promise<Answer | RtkitError> {
  try {
    return await order();
  } catch (error) {
    if (error instanceof RtkitError && error.code === "RTK_DEPLOY_REFUSED") return error;
    throw error;
  }
}

function busy({ address }: Connection, holder: string, release: string): RtkitError {
  const board = formatAddress(address);
  const what = `${board} is in another deploy: ${holder} activated ${release.slice(0, 12)}, which is not confirmed yet`;
  return new RtkitError("RTK_DEPLOY_BUSY", what, {
    hint: "run it again when that one is done; rtkit rollback ends it at once",
  });
}
