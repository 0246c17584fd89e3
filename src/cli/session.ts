import type { Command } from "commander";
import { RtkitError } from "../core/errors.ts";
import { cacheDir } from "../core/paths.ts";
import { systemError } from "../core/system-error.ts";
import type { Context } from "../pipeline/step.ts";
import { formatError, userErrors } from "../ui/error-text.ts";
import { errorLine, ndjsonListener, resultLine } from "../ui/ndjson.ts";
import { plainListener } from "../ui/plain.ts";

/** Makes one command; `onEnd` is told its exit status when it ran. */
export type CommandMaker = (onEnd: (status: number) => void) => Command;

/** Options every command has, see {@link withGlobalOptions}. */
export interface GlobalOptions {
  readonly json?: true;
  readonly verbose?: true;
}

/** What a command ends with: shown as NDJSON with `--json`, else as the text for people. */
export interface CommandResult {
  readonly result: object;
  readonly text: string;
  /** 0 by default; 1 when the command did its work and the answer is a bad one (a check that fails). */
  readonly status?: 0 | 1;
}

/** Adds `--json` and `--verbose`. */
export function withGlobalOptions(command: Command): Command {
  return command
    .option("--json", "print NDJSON for programs: steps as they happen, and last the result or the errors")
    .option("--verbose", "show causes behind an error");
}

/** Adds `--project`, for commands that read the project file. */
export function withProjectOption(command: Command): Command {
  return command.option("--project <dir>", "the project's folder (default: the nearest one upward with an rtkit.yaml)");
}

/**
 * Runs a command's work: chooses the renderer, turns Ctrl-C, SIGTERM and SIGHUP into an abort (the second into another), and
 * standard output that nobody reads any more too, shows the result or the errors. Returns the exit status: 0 done, 1 it failed,
 * 2 usage or configuration, 130 interrupted.
 */
export async function runCommand(
  options: GlobalOptions,
  work: (context: Context) => Promise<CommandResult>,
): Promise<number> {
  const json = options.json === true;
  // Imported when needed: it takes longer to load than most commands run.
  const terminal = !json && process.stdout.isTTY ? (await import("../ui/terminal.ts")).terminalRenderer() : undefined;
  const emit = json ? ndjsonListener(out) : (terminal?.listener ?? plainListener(err));
  const abort = new AbortController();
  const leave = new AbortController();
  const interrupt = (): void => (abort.signal.aborted ? leave : abort).abort(new Error("interrupted"));
  const signals = ["SIGINT", "SIGTERM", "SIGHUP"] as const;
  for (const signal of signals) process.on(signal, interrupt);
  let isRead = true;
  const unread = (): void => {
    isRead = false;
    abort.abort(new Error("nobody reads the output"));
  };
  process.stdout.on("error", unread);
  try {
    const { result, text, status } = await work({
      signal: abort.signal,
      leave: leave.signal,
      emit,
      cacheDir: cacheDir(),
    });
    await terminal?.finish();
    if (json || text !== "") out(json ? resultLine(result) : text);
    return status ?? 0;
  } catch (error) {
    await terminal?.finish();
    if (abort.signal.aborted) {
      // Whoever said `| head` has seen enough, and expects no more.
      if (isRead) err("interrupted");
      if (json) out(errorLine(new RtkitError("RTK_INTERRUPTED", "interrupted before it was done")));
      return 130;
    }
    return report(error, json ? out : err, options);
  } finally {
    for (const signal of signals) process.off(signal, interrupt);
    process.stdout.off("error", unread);
  }
}

function out(text: string): void {
  process.stdout.write(text.endsWith("\n") ? text : `${text}\n`);
}

function err(text: string): void {
  process.stderr.write(`${text}\n`);
}

function report(error: unknown, write: (line: string) => void, options: GlobalOptions): number {
  const known = userErrors(error);
  const system = known.length === 0 ? systemError(error) : undefined;
  const mistakes = system === undefined ? known : [system];
  if (mistakes.length === 0) throw error;
  for (const mistake of mistakes) {
    write(options.json === true ? errorLine(mistake) : formatError(mistake));
    if (options.verbose === true && options.json !== true && mistake.cause instanceof Error) {
      write(mistake.cause.stack ?? mistake.cause.message);
    }
  }
  return Math.max(...mistakes.map((mistake) => mistake.exitStatus));
}
