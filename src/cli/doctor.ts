import { Command } from "commander";
import { runCommand, withGlobalOptions, type CommandMaker, type GlobalOptions } from "./session.ts";

/** `rtkit doctor` */
export const doctorCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(new Command("doctor"))
    .description(
      "Say whether this computer has what builds, machines in QEMU, cards and deploys need, and the one command that mends what it lacks. Exit status 1 when a command cannot work.",
    )
    .action(async (options: GlobalOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const { examine } = await import("./doctor/examine.ts");
          return examine(context);
        }),
      );
    });
