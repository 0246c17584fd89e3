import { Command } from "commander";
import { withBoardOptions } from "./deploy/boards.ts";
import type { LatencyOptions } from "./latency/settings.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** Long enough for a p99.9 of nodes at 200 Hz, and to wait for. */
const DEFAULT_DURATION = "1min";

/** A board that is idle says nothing about one that works. */
const DEFAULT_LOAD = "cpu,disk,net,memory";

/** `rtkit latency` */
export const latencyCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("latency"))))
    .description(
      "Measure how late a board and its nodes wake under load, and write a report: HTML, SVG, PNG and JSON below out/latency/. Exit status 1 when a limit of the project file (nodes.NAME.expect) is missed, or not shown to be met.",
    )
    .argument("[target]", "a target of rtkit.yaml with one board; left out with --host")
    .option("--duration <duration>", "how long to measure, e.g. 90s, 10min, 2h", DEFAULT_DURATION)
    .option("--load <loads>", "what else the board does: cpu, disk, net, memory, with commas; or none", DEFAULT_LOAD)
    .option("--compare <file>", "say what changed since an earlier run: the run.json beside its report")
    .option(
      "--blame",
      "afterwards look for who is in the way of a late wake-up, for up to the same time (rtla timerlat)",
    )
    .action(async (target: string | undefined, options: LatencyOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const { measureBoard } = await import("./latency/measure-board.ts");
          return measureBoard(context, target, options);
        }),
      );
    });
