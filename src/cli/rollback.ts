import { Command } from "commander";
import { formatAddress } from "../deploy/address.ts";
import { usageError } from "../core/errors.ts";
import { addressesFor, describeFailure, onBoards, shortId, withBoardOptions } from "./deploy/boards.ts";
import { projectSigners, recordTime, SIGN_HELP, signFor, type SigningOptions } from "./deploy/signing.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

interface RollbackCommandOptions extends SigningOptions {
  readonly dryRun?: true;
}

/** `rtkit rollback` */
export const rollbackCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("rollback"))))
    .description("Make boards go back to the release that they had before, or to another one that they still have.")
    .argument("[target]", "a target of rtkit.yaml; left out with --host")
    .argument(
      "[release]",
      "the beginning of a release's id, as `rtkit status` shows it, or all of it where a board takes only signed releases (default: the previous one)",
    )
    .option("--sign <key>", SIGN_HELP)
    .option("--dry-run", "only say which release each board would go back to")
    .action(async (first: string | undefined, second: string | undefined, options: RollbackCommandOptions) => {
      const [target, release] = options.host === undefined ? [first, second] : [undefined, first];
      onEnd(
        await runCommand(options, async (context) => {
          if (target === undefined && options.host === undefined) {
            throw usageError("RTK_DEPLOY_TARGET", "rollback wants to be told which boards", {
              hint: "name a target of rtkit.yaml, or say --host",
            });
          }
          const { rollBack } = await import("../deploy/rollback.ts");
          const addresses = await addressesFor(context, target === undefined ? [] : [target], options);
          const dryRun = options.dryRun === true;
          const time = recordTime();
          const sign = signFor(options, async () => projectSigners(options), context.signal);
          const boards = await onBoards(context, addresses, options, async (board) =>
            rollBack(board, { release, time, sign, dryRun }),
          );
          return {
            result: {
              targets: boards.map((board) => ({
                host: formatAddress(board.address),
                ok: "value" in board,
                ...("value" in board
                  ? { dryRun, release: board.value.release, previous: board.value.previous, reason: null }
                  : { code: board.error.code, reason: board.error.message, hint: board.error.hint }),
              })),
            },
            text: boards
              .map((board) =>
                "error" in board
                  ? describeFailure(board.address, board.error)
                  : `${formatAddress(board.address)}  ${shortId(board.value.release)} ${dryRun ? "would be" : "is"} active (before: ${shortId(board.value.previous)})`,
              )
              .join("\n"),
            status: boards.some((board) => "error" in board) ? 1 : 0,
          };
        }),
      );
    });
