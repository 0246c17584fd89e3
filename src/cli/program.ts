import { Command, CommanderError, Option } from "commander";
import packageJson from "../../package.json" with { type: "json" };
import { RtkitError } from "../core/errors.ts";
import { errorLine } from "../ui/ndjson.ts";
import type { CommandMaker } from "./session.ts";

/** All commands, in the order the help lists them; each is loaded when it is asked for, so that it starts at once. */
const COMMANDS: Readonly<Record<string, () => Promise<CommandMaker>>> = {
  init: async () => (await import("./init.ts")).initCommand,
  build: async () => (await import("./build.ts")).buildCommand,
  update: async () => (await import("./update.ts")).updateCommand,
  run: async () => (await import("./run.ts")).runImageCommand,
  flash: async () => (await import("./flash.ts")).flashCommand,
  deploy: async () => (await import("./deploy.ts")).deployCommand,
  rollback: async () => (await import("./rollback.ts")).rollbackCommand,
  status: async () => (await import("./status.ts")).statusCommand,
  latency: async () => (await import("./latency.ts")).latencyCommand,
  logs: async () => (await import("./logs.ts")).logsCommand,
  ssh: async () => (await import("./ssh.ts")).sshCommand,
  discover: async () => (await import("./discover.ts")).discoverCommand,
  doctor: async () => (await import("./doctor.ts")).doctorCommand,
  inspect: async () => (await import("./inspect.ts")).inspectCommand,
  kernel: async () => (await import("./kernel.ts")).kernelCommand,
  boards: async () => (await import("./boards.ts")).boardsCommand,
};

/** Runs the command line (without `node` and script) and returns the exit status, see docs/cli.md. */
export async function runCli(args: readonly string[]): Promise<number> {
  let status = 0;
  const { leading, rest } = leadingOptions(args);
  const program = await makeProgram((ended) => {
    status = ended;
  }, rest[0]);
  try {
    await program.parseAsync(putBehind(program, leading, rest), { from: "user" });
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

/**
 * The command line as commander knows it: with the command that is asked for, or with all where `asked` is none of them.
 * docs/cli.md is generated from all.
 */
export async function makeProgram(onEnd: (status: number) => void, asked?: string): Promise<Command> {
  const program = new Command("rtkit")
    .description("Real-time robot software on Linux boards: a verified PREEMPT_RT image out of your nodes.")
    .version(packageJson.version);
  const all = Object.entries(COMMANDS);
  const named = all.filter(([name]) => name === asked);
  for (const [, load] of named.length > 0 ? named : all) program.addCommand((await load())(onEnd));
  for (const command of allCommands(program)) {
    if (command.commands.length === 0) takeGlobalOptions(command);
    command.exitOverride().showHelpAfterError("(add --help to see what can be said here)");
  }
  return program;
}

/** Options that every command takes, before its name too; only `--project` has a value. */
const GLOBAL_OPTIONS = ["--project <dir>", "--json", "--verbose"];

/** For scripts that always say them: a command to which one means nothing takes it all the same, and does not list it. */
function takeGlobalOptions(command: Command): void {
  for (const flags of GLOBAL_OPTIONS) {
    const option = new Option(flags).hideHelp();
    if (command.options.every(({ long }) => long !== option.long)) command.addOption(option);
  }
}

/** Divides a command line before its first word that is no global option. */
function leadingOptions(args: readonly string[]): { leading: readonly string[]; rest: readonly string[] } {
  let at = 0;
  for (let word = args[at]; word !== undefined && LEADING.test(word); word = args[at])
    at += word === "--project" ? 2 : 1;
  return { leading: args.slice(0, at), rest: args.slice(at) };
}

/** `--dry-run` too: a command that has none refuses it. */
const LEADING = /^--(?:project(?:=.*)?|json|verbose|dry-run)$/s;

/**
 * The command line with global options behind the command's words (`build`, or `kernel check`): commander looks for them only
 * there. Without a command they are left out, so that what is wrong is told of the words.
 */
function putBehind(program: Command, options: readonly string[], args: readonly string[]): readonly string[] {
  const { leading, rest } = leadingOptions(args);
  const [word = "", ...others] = rest;
  const command = program.commands.find((one) => one.name() === word);
  if (command !== undefined) return [word, ...putBehind(command, [...options, ...leading], others)];
  return program.commands.length > 0 ? rest : [...options, ...args];
}

/** A command and everything below it. */
export function allCommands(command: Command): readonly Command[] {
  return [command, ...command.commands.flatMap((child) => allCommands(child))];
}
