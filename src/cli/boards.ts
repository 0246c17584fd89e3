import { Command } from "commander";
import { listBoards } from "../config/boards.ts";
import { runCommand, withGlobalOptions, type CommandMaker, type GlobalOptions } from "./session.ts";

/** `rtkit boards` */
export const boardsCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(new Command("boards"))
    .description("List the boards that images can be built for.")
    .action(async (options: GlobalOptions) => {
      onEnd(
        await runCommand(options, async () => {
          const boards = await listBoards();
          const width = Math.max(...boards.map(({ name }) => name.length));
          const lines = boards.map(
            ({ name, architecture, cpus, description }) =>
              `${name.padEnd(width)}  ${architecture}  ${cpus} CPUs  ${description}`,
          );
          return { result: { boards }, text: lines.join("\n") };
        }),
      );
    });
