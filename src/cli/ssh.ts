import { Command } from "commander";
import { addressesFor, oneBoard, sshSettings, withBoardOptions, type BoardOptions } from "./deploy/boards.ts";
import { runCommand, withProjectOption, type CommandMaker } from "./session.ts";

/** `rtkit ssh` */
export const sshCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withProjectOption(new Command("ssh")))
    .description("Log in on a board with the system's ssh.")
    .argument("[target]", "a target of rtkit.yaml with one board; left out with --host")
    .action(async (target: string | undefined, options: BoardOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const { logIn } = await import("../deploy/log-in.ts");
          const board = oneBoard(await addressesFor(context, target === undefined ? [] : [target], options));
          const status = await logIn(board, sshSettings(options), context.signal);
          return { result: {}, text: "", status: status === 0 ? 0 : 1 };
        }),
      );
    });
