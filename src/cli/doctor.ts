import { Command } from "commander";
import { usageError } from "../core/errors.ts";
import { withBoardOptions } from "./deploy/boards.ts";
import type { DoctorOptions } from "./doctor/examine-boards.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "./session.ts";

/** `rtkit doctor` */
export const doctorCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("doctor"))))
    .description(
      "Say whether this computer has what builds, machines in QEMU, cards and deploys need, and the one command that mends what it lacks. Exit status 1 when a command cannot work. With a target: whether that board is really real-time, what stands in its way, and what mends it. Exit status 1 when a finding is `high`.",
    )
    .argument("[target...]", "targets of rtkit.yaml whose boards are looked at, in place of this computer")
    .option("--fix", "put settings of the running board back that are safe to change, and look again")
    .option("--dry-run", "with --fix: only say what would be mended")
    .action(async (targets: string[], options: DoctorOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          if (targets.length > 0 || options.host !== undefined) {
            const { examineBoards } = await import("./doctor/examine-boards.ts");
            return examineBoards(context, targets, options);
          }
          if (options.fix === true || options.dryRun === true) {
            throw usageError("RTK_DEPLOY_TARGET", "--fix is for boards, and none is named", {
              hint: "name a target of rtkit.yaml, or say --host",
            });
          }
          const { examine } = await import("./doctor/examine.ts");
          return examine(context);
        }),
      );
    });
