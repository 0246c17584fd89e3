import { RtkitError } from "../core/errors.ts";
import { formatAddress, type Address } from "./address.ts";
import { formatTime, type SealedRecord } from "./record.ts";
import type { BoardStatus } from "./rtnodectl.ts";

/**
 * Throws what a board would refuse an order for, before anything is sent: RTK_DEPLOY_UNSIGNED when it takes only signed
 * releases, and RTK_DEPLOY_CLOCK when it took a record before that is as new as this one.
 */
export function checkSeal(
  address: Address,
  status: Pick<BoardStatus, "signed" | "newestRecord">,
  sealed: SealedRecord | undefined,
): void {
  if (status.signed !== true) return;
  const board = formatAddress(address);
  if (sealed === undefined || sealed.signature === null) {
    throw new RtkitError("RTK_DEPLOY_UNSIGNED", `${board} takes only signed releases, and no key to sign is at hand`, {
      hint: "put the private key beside the public one of image.signers, add it to the agent (ssh-add), or say --sign KEY",
    });
  }
  const newest = status.newestRecord ?? 0;
  const { time } = sealed.record;
  if (time > newest) return;
  const when = `it is ${formatTime(time)} here, and ${board} took a release that was signed at ${formatTime(newest)}`;
  throw new RtkitError("RTK_DEPLOY_CLOCK", `${when}: it takes only newer ones`, {
    hint: "set this computer's clock right; if it is, the other one was ahead: see docs/deploy.md, Signed releases",
  });
}
