import { Command } from "commander";
import type { RtkitError } from "../core/errors.ts";
import { formatAddress } from "../deploy/address.ts";
import {
  addressesFor,
  describeFailure,
  onBoards,
  withBoardOptions,
  type BoardOptions,
  type Outcome,
} from "./deploy/boards.ts";
import { describeBoard, type Shown } from "./status/describe-board.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** Options of `rtkit status`, as commander reads them. */
interface StatusOptions extends BoardOptions {
  readonly watch?: true;
}

/** `rtkit status` */
export const statusCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("status"))))
    .description("Say how boards are: their releases, and what each node really got from the kernel.")
    .argument("[target...]", "targets of rtkit.yaml (default: the only one)")
    .option("--watch", "go on: each second, how the nodes' loops were in it; until q or Ctrl-C, also over restarts")
    .action(async (targets: string[], options: StatusOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          if (options.watch === true) {
            const { watchBoards } = await import("./status/watch.ts");
            return watchBoards(context, targets, options);
          }
          const { askReleases, askStatus } = await import("../deploy/rtnodectl.ts");
          const addresses = await addressesFor(context, targets, options);
          const boards = await onBoards(context, addresses, options, async (board): Promise<Shown> => {
            const status = await askStatus(board);
            return { ...status, releases: await askReleases(board) };
          });
          const [first] = boards;
          if (boards.length === 1 && first !== undefined && "error" in first) throw first.error;
          const alone = boards.length === 1 && first !== undefined && "value" in first ? first.value : {};
          return {
            result: { ...alone, targets: boards.map(resultOf) },
            text: boards.map(describe).join("\n\n"),
            status: boards.some((board) => "error" in board) ? 1 : 0,
          };
        }),
      );
    });

function resultOf(board: Outcome<Shown>): object {
  const host = formatAddress(board.address);
  return "value" in board
    ? { host, ok: true, ...board.value, reason: null }
    : { host, ok: false, ...failure(board.error) };
}

function failure({ code, message, hint }: RtkitError): object {
  return { code, reason: message, hint };
}

function describe(board: Outcome<Shown>): string {
  return "error" in board ? describeFailure(board.address, board.error) : describeBoard(board.address, board.value);
}
