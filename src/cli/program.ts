import { Command, CommanderError } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { RtkitError } from "../core/errors.ts";
import { errorLine } from "../ui/ndjson.ts";
import { boardsCommand } from "./boards.ts";
import { buildCommand } from "./build.ts";
import { deployCommand } from "./deploy.ts";
import { discoverCommand } from "./discover.ts";
import { doctorCommand } from "./doctor.ts";
import { flashCommand } from "./flash.ts";
import { initCommand } from "./init.ts";
import { inspectCommand } from "./inspect.ts";
import { kernelCommand } from "./kernel.ts";
import { logsCommand } from "./logs.ts";
import { rollbackCommand } from "./rollback.ts";
import { runImageCommand } from "./run.ts";
import type { CommandMaker } from "./session.ts";
import { sshCommand } from "./ssh.ts";
import { statusCommand } from "./status.ts";
import { updateCommand } from "./update.ts";

/** All commands, in the order the help lists them. */
const COMMANDS: readonly CommandMaker[] = [
  initCommand,
  buildCommand,
  updateCommand,
  runImageCommand,
  flashCommand,
  deployCommand,
  rollbackCommand,
  statusCommand,
  logsCommand,
  sshCommand,
  discoverCommand,
  doctorCommand,
  inspectCommand,
  kernelCommand,
  boardsCommand,
];

/** Runs the command line (without `node` and script) and returns the exit status, see docs/cli.md. */
export async function runCli(args: readonly string[]): Promise<number> {
  let status = 0;
  const program = makeProgram((ended) => {
    status = ended;
  });
  try {
    await program.parseAsync(args, { from: "user" });
    return status;
  } catch (error) {
    if (!(error instanceof CommanderError)) throw error;
    if (error.exitCode === 0) return 0;
    // Commander has already told people; programs get the same line they get for every other mistake.
    if (args.includes("--json") && error.code !== "commander.help") {
      const message = error.message.replace(/^error: /, "");
      process.stdout.write(`${errorLine(new RtkitError("RTK_USAGE", message, { hint: "see rtkit --help" }))}\n`);
    }
    return 2;
  }
}

/** The whole command line as commander knows it; docs/cli.md is generated from it. */
export function makeProgram(onEnd: (status: number) => void): Command {
  const program = new Command("rtkit")
    .description("Real-time robot software on Linux boards: a verified PREEMPT_RT image out of your nodes.")
    .version(packageJson.version);
  for (const makeCommand of COMMANDS) program.addCommand(makeCommand(onEnd));
  for (const command of allCommands(program)) {
    command.exitOverride().showHelpAfterError("(add --help to see what can be said here)");
  }
  return program;
}

/** A command and everything below it. */
export function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap((child) => allCommands(child))];
}
