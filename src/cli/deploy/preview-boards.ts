import { formatSize } from "../../core/units.ts";
import { formatAddress } from "../../deploy/address.ts";
import type { Board } from "../../deploy/connect-all.ts";
import { previewRelease, type Preview } from "../../deploy/preview.ts";
import type { Release } from "../../deploy/release.ts";
import { atMost } from "../../pipeline/concurrent.ts";
import type { CommandResult } from "../session.ts";
import { describeFailure, outcomeOf, shortId, type Outcome } from "./boards.ts";

/** The work of `rtkit deploy --dry-run`. */
export async function previewBoards(
  boards: readonly Board[],
  release: Release,
  concurrency: number,
): Promise<CommandResult> {
  const previews = await atMost(concurrency, boards, async (board) =>
    outcomeOf(board, async (connection) => previewRelease(connection, release)),
  );
  return {
    result: { release: release.id, dryRun: true, targets: previews.map((board) => resultOf(board, release)) },
    text: previews.map((board) => describe(board, release)).join("\n"),
    status: previews.some((board) => "error" in board) ? 1 : 0,
  };
}

function resultOf(board: Outcome<Preview>, { id }: Release): object {
  const host = formatAddress(board.address);
  if ("value" in board) return { host, ok: true, release: id, ...board.value, reason: null };
  const { code, message, hint } = board.error;
  return { host, ok: false, release: id, code, reason: message, hint };
}

function describe(board: Outcome<Preview>, { id }: Release): string {
  if ("error" in board) return describeFailure(board.address, board.error);
  const { previous, signed, sendBytes, sendFiles, restarts, stops } = board.value;
  const host = formatAddress(board.address);
  if (previous === id) return `${host}  ${shortId(id)} is active already, nothing to do`;
  const what = [
    `would send ${formatSize(sendBytes)} (${sendFiles} files)`,
    restarts.length === 0 ? "restart nothing" : `restart ${restarts.join(", ")}`,
    ...(stops.length === 0 ? [] : [`stop ${stops.join(", ")}`]),
    ...(signed ? ["and it takes only signed releases"] : []),
  ];
  return `${host}  ${what.join(", ")}`;
}
