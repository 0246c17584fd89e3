import { Command } from "commander";
import type { RtkitError } from "../core/errors.ts";
import { formatAddress, type Address } from "../deploy/address.ts";
import type { BoardRelease, BoardStatus } from "../deploy/rtnodectl.ts";
import { table } from "../ui/table.ts";
import {
  addressesFor,
  describeFailure,
  onBoards,
  shortId,
  withBoardOptions,
  type BoardOptions,
  type Outcome,
} from "./deploy/boards.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** What a board says, and which releases it has. */
type Shown = BoardStatus & { readonly releases: readonly BoardRelease[] };

/** `rtkit status` */
export const statusCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("status"))))
    .description("Say how boards are: their releases, and what each node really got from the kernel.")
    .argument("[target...]", "targets of rtkit.yaml (default: the only one)")
    .action(async (targets: string[], options: BoardOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
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

function describeBoard(address: Address, status: Shown): string {
  const { kernel, nodes, pending, releases } = status;
  const others = releases.filter(({ mark }) => mark === "-").map(({ id }) => shortId(id));
  const rows = nodes.map((node) =>
    [
      node.name,
      node.state,
      node.pid ?? "-",
      node.policy ?? "-",
      node.priority ?? "-",
      node.cpus ?? "-",
      node.lockedKiB ?? "-",
      node.restarts,
      node.reason ?? "",
    ].map(String),
  );
  return [
    `${formatAddress(address)}  Linux ${kernel.version}${kernel.realtime ? ", real-time" : ", not real-time"}`,
    `release ${shortId(status.release)}${pending === status.release && pending !== null ? " (not confirmed)" : ""}, previous ${shortId(status.previous)}${others.length === 0 ? "" : `, also there ${others.join(", ")}`}`,
    ...table([["NAME", "STATE", "PID", "POLICY", "PRIORITY", "CPUS", "LOCKEDKIB", "RESTARTS", ""], ...rows]),
  ].join("\n");
}
