import { Command } from "commander";
import { usageError } from "../core/errors.ts";
import { parseSpan } from "../core/units.ts";
import { formatAddress } from "../deploy/address.ts";
import { addressesFor, oneBoard, onBoards, withBoardOptions, type BoardOptions } from "./deploy/boards.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

interface LogsOptions extends BoardOptions {
  readonly follow?: true;
  readonly since?: string;
}

/** `rtkit logs` */
export const logsCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("logs"))))
    .description('Show what the nodes of a board logged. With --json each line is {"type":"log","host","line"}.')
    .argument("[target]", "a target of rtkit.yaml with one board; left out with --host")
    .argument("[node]", "only this node")
    .option("-f, --follow", "go on with new lines until Ctrl-C")
    .option("--since <duration>", "only lines not older than this, e.g. 90s, 10min, 2h or 3d")
    .action(async (first: string | undefined, second: string | undefined, options: LogsOptions) => {
      const [target, node] = options.host === undefined ? [first, second] : [undefined, first];
      onEnd(
        await runCommand(options, async (context) => {
          const { followLog } = await import("../deploy/rtnodectl.ts");
          const { inOrder, lineReader } = await import("./deploy/traces.ts");
          const sinceSeconds = options.since === undefined ? undefined : secondsOf(options.since);
          const name = node === undefined ? undefined : checkedNode(node);
          const board = oneBoard(await addressesFor(context, target === undefined ? [] : [target], options));
          const host = formatAddress(board);
          const show = (line: string): void => {
            process.stdout.write(`${options.json === true ? JSON.stringify({ type: "log", host, line }) : line}\n`);
          };
          const readLine = lineReader(context.cacheDir);
          const [outcome] = await onBoards(context, [board], options, async (connection) => {
            const lines = inOrder(async (line) => readLine(connection, line), show);
            await followLog(connection, { node: name, follow: options.follow === true, sinceSeconds }, lines.take);
            await lines.settled();
          });
          if (outcome !== undefined && "error" in outcome) throw outcome.error;
          return { result: { host }, text: "" };
        }),
      );
    });

function secondsOf(since: string): number {
  const seconds = parseSpan(since);
  if (seconds !== undefined && seconds <= LONGEST_S) return seconds;
  throw usageError("RTK_DEPLOY_SINCE", `--since ${since} is not a span of time`, {
    hint: "say e.g. --since 90s, 10min, 2h or 3d",
  });
}

/** Ten years: journalctl does not count back to before 1970. */
const LONGEST_S = 315_360_000;

function checkedNode(name: string): string {
  if (/^[a-z0-9][a-z0-9-]*$/.test(name)) return name;
  throw usageError("RTK_DEPLOY_NODE", `${name} is no node's name`, {
    hint: "nodes are called as in rtkit.yaml: letters a-z, digits and -",
  });
}
