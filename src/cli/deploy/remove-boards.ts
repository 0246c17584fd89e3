import { usageError } from "../../core/errors.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { removeFromBoard, type SystemChange } from "../../deploy/bootstrap.ts";
import { withConnections } from "../../deploy/connect-all.ts";
import type { Context } from "../../pipeline/step.ts";
import { askOnTerminal, type Ask } from "../ask.ts";
import type { CommandResult } from "../session.ts";
import {
  addressesFor,
  DEFAULT_CONCURRENCY,
  describeFailure,
  outcomeOf,
  sshSettings,
  type BoardOptions,
  type Outcome,
} from "./boards.ts";

/** Options of `rtkit deploy --remove`. */
interface RemoveOptions extends BoardOptions {
  readonly yes?: true;
}

/** The work of `rtkit deploy --remove`. */
export async function removeBoards(
  context: Context,
  targets: readonly string[],
  options: RemoveOptions,
): Promise<CommandResult> {
  const addresses = await addressesFor(context, targets, options);
  const settings = sshSettings(options);
  if (options.yes !== true && !(await isMeant(addresses, settings.ask ? askOnTerminal(context.signal) : undefined))) {
    return { result: { targets: [] }, text: "nothing was removed", status: 1 };
  }
  const connecting = { settings, concurrency: DEFAULT_CONCURRENCY, signal: context.signal };
  return withConnections(addresses, connecting, async (reached) => {
    const boards: Outcome<SystemChange>[] = [];
    // One after the other: sudo may have to ask on the terminal.
    for (const one of reached) {
      boards.push(await outcomeOf(one, async (connection) => removeFromBoard(connection, { ask: settings.ask })));
    }
    return {
      result: { targets: boards.map(resultOf) },
      text: boards.map(describe).join("\n"),
      status: boards.some((board) => "error" in board) ? 1 : 0,
    };
  });
}

/** Asks whoever is at the terminal. Throws RTK_DEPLOY_REMOVE_YES when there is nobody. */
async function isMeant(addresses: readonly Address[], ask: Ask | undefined): Promise<boolean> {
  const boards = addresses.map(formatAddress).join(", ");
  if (ask === undefined) {
    throw usageError("RTK_DEPLOY_REMOVE_YES", `--remove takes nodes and rtkit's programs away from ${boards}`, {
      hint: "if that is meant, add --yes",
    });
  }
  const question = `Stop the nodes of ${boards} and remove them, their releases and rtkit's programs? [y/N] `;
  return /^y(?:es)?$/i.test((await ask(question)).trim());
}

function resultOf(board: Outcome<SystemChange>): object {
  const host = formatAddress(board.address);
  if ("value" in board) return { host, ok: true, changes: board.value.changes, reason: null };
  const { code, message, hint } = board.error;
  return { host, ok: false, code, reason: message, hint };
}

function describe(board: Outcome<SystemChange>): string {
  if ("error" in board) return describeFailure(board.address, board.error);
  const host = formatAddress(board.address);
  const { changes } = board.value;
  if (changes.length === 0) return `${host}  nothing of rtkit is there`;
  return `${host}  ${changes.length} things removed; kernel settings go back when it restarts`;
}
