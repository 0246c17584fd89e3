import { Command, Option } from "commander";
import type { RunImageOptions } from "./run/run-image.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** Generous: 238 s were seen for a translated Arm guest on two busy cores, 36 s on idle ones. */
const DEFAULT_TIMEOUT_S = "600";

/** `rtkit run` */
export const runImageCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withProjectOption(new Command("run")))
    .description(
      "Boot the project's image in QEMU, with its serial console on the terminal. The image's file is not changed; what the machine writes is thrown away.",
    )
    .option("--board <board>", "run the image of this board in place of the project file's")
    .option("--detach", "run in the background: return when the machine answers over ssh, and print how to get in")
    .addOption(new Option("--until <what>", "like --detach, but return when every node is active").choices(["ready"]))
    .option("--timeout <seconds>", "with --detach or --until: give up after this time", DEFAULT_TIMEOUT_S)
    .option("--cpus <number>", "number of CPUs (default: the board's)")
    .option("--memory <size>", "memory, e.g. 2G (default: the board file's)")
    .option(
      "--disk <file>",
      "keep what the machine writes in this file; it is made as a copy of the image when missing",
    )
    .action(async (options: RunImageOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          // Imported when needed: the ssh client alone doubles the time that other commands take to start.
          const { runImage } = await import("./run/run-image.ts");
          return runImage(context, options);
        }),
      );
    });
