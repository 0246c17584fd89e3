import { RtkitError } from "../core/errors.ts";
import { formatAddress, type Address } from "./address.ts";
import { formatTime, type DeployRecord, type SealedRecord } from "./record.ts";
import type { BoardStatus } from "./rtnodectl.ts";
import type { Sign } from "./sign.ts";

/** What boards keep of an order, and how that is signed. */
export interface Sealing {
  readonly record: DeployRecord;
  readonly sign: Sign;
}

/** Seconds that a clock may be behind a board's newest record all the same: two orders, or two people, in a moment. */
const CLOCKS_DIFFER_S = 60;

/**
 * Makes what a board is sent with an order. Throws what the board would refuse it for: RTK_DEPLOY_UNSIGNED when it takes only
 * signed releases, RTK_DEPLOY_CLOCK when it took a record of a later time before; and what `sign` throws.
 */
export async function sealFor(
  address: Address,
  status: Pick<BoardStatus, "signed" | "newestRecord">,
  { record, sign }: Sealing,
): Promise<SealedRecord> {
  const newest = status.newestRecord ?? 0;
  const isOfNow = newest >= record.time && newest - record.time < CLOCKS_DIFFER_S;
  const timed = isOfNow ? { ...record, time: newest + 1 } : record;
  const sealed = { record: timed, signature: await sign(timed) };
  if (status.signed !== true) return sealed;
  if (sealed.signature === null) throw unsigned(address);
  if (timed.time <= newest) throw behind(address, timed.time, newest);
  return sealed;
}

function unsigned(address: Address): RtkitError {
  const what = `${formatAddress(address)} takes only signed releases, and no key to sign is at hand`;
  return new RtkitError("RTK_DEPLOY_UNSIGNED", what, {
    hint: "put the private key beside the public one of image.signers, add it to the agent (ssh-add), or say --sign KEY",
  });
}

function behind(address: Address, here: number, newest: number): RtkitError {
  const board = formatAddress(address);
  const when = `it is ${formatTime(here)} here, and ${board} took a release that was signed at ${formatTime(newest)}`;
  return new RtkitError("RTK_DEPLOY_CLOCK", `${when}: it takes only newer ones`, {
    hint: "set this computer's clock right; if it is, the other one was ahead: see docs/deploy.md, Signed releases",
  });
}
