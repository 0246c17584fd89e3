import { RtkitError } from "../core/errors.ts";
import { formatAddress } from "./address.ts";
import { revert } from "./rtnodectl.ts";
import type { Connection } from "./transport.ts";

/** Time for an interrupted deploy to take its release back, ms; after that the board's own timer does it. */
const GRACE_MS = 10_000;

/** A signal that ends `GRACE_MS` after another one did, or with `leave`, at once. */
export function graceAfter(signal: AbortSignal, leave: AbortSignal | undefined): AbortSignal {
  const grace = new AbortController();
  const begin = (): void => void setTimeout(() => grace.abort(signal.reason), GRACE_MS).unref();
  if (signal.aborted) begin();
  else signal.addEventListener("abort", begin, { once: true });
  return AbortSignal.any([grace.signal, ...(leave === undefined ? [] : [leave])]);
}

/** Tells a board to go back because somebody interrupted its deploy, and says in a line what it does then. Never throws. */
export async function takeBack(connection: Connection, id: string, signal: AbortSignal): Promise<string> {
  const board = formatAddress(connection.address);
  try {
    const wentBack = await revert(connection, id, signal);
    return wentBack
      ? `interrupted: ${board} went back to its previous release`
      : `interrupted: ${board} stays on the new release, which was confirmed already`;
  } catch (error) {
    if (error instanceof RtkitError && error.code === "RTK_DEPLOY_REFUSED") return `interrupted: ${error.message}`;
    return `interrupted: ${board} could not be told to go back; it does so by itself when its time is up`;
  }
}
