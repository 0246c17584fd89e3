import { execa, ExecaError } from "execa";
import type { Readable, Writable } from "node:stream";
import { RtkitError } from "./errors.ts";
import { dyingWithUs } from "./process.ts";
import { findProgram } from "./programs.ts";

/** How {@link exec} runs a program. */
export interface ExecOptions {
  readonly cwd?: string;
  /** Added to the environment; `undefined` removes a variable. */
  readonly env?: Readonly<Record<string, string | undefined>>;
  /** Text for the program's standard input; without it standard input is empty. */
  readonly input?: string;
  /** A stream or an open file descriptor for the program's standard input, in place of `input`. */
  readonly stdin?: Readable | number;
  /** Where standard output goes as it comes, a stream or an open file descriptor; without it it is returned. */
  readonly stdout?: Writable | number;
  /** Called for every line of standard output (progress), which is returned too. */
  readonly onStdoutLine?: (line: string) => void;
  /** Called for every line of standard error (progress). */
  readonly onStderrLine?: (line: string) => void;
  readonly signal?: AbortSignal;
  /** Sent when `signal` aborts; SIGKILL follows after 5 s. `unshare --kill-child` needs SIGKILL at once. */
  readonly killSignal?: "SIGTERM" | "SIGKILL";
  /** Said when the program is not installed, e.g. `apt-get install mtools`. */
  readonly installHint?: string;
}

/** What a program printed. */
export interface ExecResult {
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * Runs a program without a shell and waits for it; the kernel kills it when we die first.
 * Throws RTK_EXEC_MISSING when it is not installed, RTK_EXEC_FAILED when its exit status is not 0 (the message
 * holds the command so that it can be pasted, and the last lines it printed), and the signal's reason when aborted.
 */
export async function exec(file: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
  options.signal?.throwIfAborted();
  const [program, words] = dyingWithUs("KILL", file, args);
  // execa takes any open descriptor, and has types for three.
  const child = execa(program, words, {
    ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
    ...(options.env === undefined ? {} : { env: options.env }),
    ...(options.signal === undefined ? {} : { cancelSignal: options.signal }),
    ...(options.input === undefined ? {} : { input: options.input }),
    ...(options.input === undefined && options.stdin === undefined ? { stdin: "ignore" as const } : {}),
    ...(options.stdin === undefined
      ? {}
      : { stdin: typeof options.stdin === "number" ? (options.stdin as 0) : ("pipe" as const) }),
    ...(typeof options.stdout === "number" ? { stdout: options.stdout as 1 } : {}),
    buffer: { stdout: options.stdout === undefined, stderr: true },
    killSignal: options.killSignal ?? "SIGTERM",
    stripFinalNewline: false,
  });
  if (typeof options.stdin === "object" && child.stdin !== null) {
    // A program that stops reading early reports why through its exit status, not through our broken pipe.
    child.stdin.on("error", () => undefined);
    options.stdin.on("error", (error) => child.stdin?.destroy(error));
    options.stdin.pipe(child.stdin);
  }
  if (typeof options.stdout === "object") child.stdout?.pipe(options.stdout);
  if (options.onStdoutLine !== undefined) forEachLine(child.stdout, options.onStdoutLine);
  if (options.onStderrLine !== undefined) forEachLine(child.stderr, options.onStderrLine);
  try {
    const result = await child;
    return { stdout: result.stdout ?? "", stderr: result.stderr ?? "" };
  } catch (error) {
    options.signal?.throwIfAborted();
    throw failure(error, file, args, options);
  }
}

/** How a program ended, and what it printed; `status` is null when a signal ended it. */
export interface ExecEnd extends ExecResult {
  readonly status: number | null;
}

/** Like {@link exec}, for programs whose exit status is an answer: it throws only where the program could not be run. */
export async function execEnd(file: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecEnd> {
  try {
    return { status: 0, ...(await exec(file, args, options)) };
  } catch (error) {
    const cause = error instanceof RtkitError && error.code === "RTK_EXEC_FAILED" ? error.cause : undefined;
    if (!(cause instanceof ExecaError)) throw error;
    return { status: cause.exitCode ?? null, stdout: textOf(cause.stdout), stderr: textOf(cause.stderr) };
  }
}

/** What was printed; nothing where it went elsewhere. */
function textOf(printed: unknown): string {
  return typeof printed === "string" ? printed : "";
}

/** A command line as it can be pasted into a POSIX shell. */
export function shellQuote(words: readonly string[]): string {
  return words.map((word) => (/^[\w@%+=:,./-]+$/.test(word) ? word : `'${word.replaceAll("'", "'\\''")}'`)).join(" ");
}

function failure(error: unknown, file: string, args: readonly string[], options: ExecOptions): unknown {
  if (!(error instanceof ExecaError)) return error;
  const missing = missingProgram(error, file, options.env?.["PATH"]);
  if (missing !== undefined) {
    return new RtkitError("RTK_EXEC_MISSING", `${missing} is not installed`, {
      hint: options.installHint ?? `install the Debian package that has ${missing}`,
      cause: error,
    });
  }
  const how = error.signal === undefined ? `exit status ${error.exitCode ?? "unknown"}` : `signal ${error.signal}`;
  const stderr = textOf(error.stderr);
  const printed = stderr.trimEnd().split("\n").slice(-15).join("\n");
  return new RtkitError("RTK_EXEC_FAILED", `${file} failed (${how})${printed === "" ? "" : `:\n${printed}`}`, {
    hint: `the command was: ${shellQuote([file, ...args])}`,
    cause: error,
  });
}

/**
 * The program whose absence an error may stand for. 126 and 127 are setpriv's words for a program that it did not find,
 * or not in folders that it may enter; a program may say them too.
 */
function missingProgram(error: ExecaError, file: string, path: string | undefined): string | undefined {
  if (error.code !== "ENOENT" && ![126, 127].includes(error.exitCode ?? 0)) return undefined;
  return [file, "setpriv"].find((name) => findProgram(name, ...(path === undefined ? [] : [path])) === undefined);
}

function forEachLine(stream: Readable | null, onLine: (line: string) => void): void {
  let rest = "";
  stream?.setEncoding("utf8");
  stream?.on("data", (chunk: string) => {
    const lines = (rest + chunk).split(/\r?\n|\r/);
    rest = lines.pop() ?? "";
    for (const line of lines) onLine(line);
  });
}
