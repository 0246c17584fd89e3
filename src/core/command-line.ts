import { spawn } from "node:child_process";
import { once } from "node:events";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode } from "./errors.ts";

/** How {@link runCommandLine} runs a command line. */
export interface CommandLineOptions {
  /** Where it runs. */
  readonly cwd: string;
  /** Added to our own environment. */
  readonly env?: Readonly<Record<string, string>>;
  /** Hears what it prints, on standard output and error, as it comes. */
  readonly onText?: (text: string) => void;
  /** After this time it is killed, ms; without it, never. */
  readonly timeoutMs?: number;
  readonly signal: AbortSignal;
}

/** How a command line ended. */
export interface CommandLineEnd {
  /** Its exit status; null when a signal or its time ended it. */
  readonly status: number | null;
  readonly timedOut: boolean;
  /** The last lines that it printed. */
  readonly lastLines: readonly string[];
}

/** Lines that are worth showing when a command failed. */
const LAST_LINES = 15;

/** What is kept of its output to have them, characters. */
const KEPT = 16_384;

/** How long what it left in the background may hold our pipes, ms: longer than what it printed needs to arrive. */
const GRACE_MS = 500;

/**
 * Gives a command line that a project's own files name to `sh -c`, whole, as npm does with scripts. It is the leader of a
 * process group, which is killed when its time is up or `signal` aborts; then the signal's reason is thrown.
 */
export async function runCommandLine(line: string, options: CommandLineOptions): Promise<CommandLineEnd> {
  const { cwd, env, onText, timeoutMs, signal } = options;
  signal.throwIfAborted();
  const child = spawn("/bin/sh", ["-c", line], {
    cwd,
    env: { ...process.env, ...env },
    stdio: ["ignore", "pipe", "pipe"],
    detached: true,
  });
  let printed = "";
  for (const stream of [child.stdout, child.stderr]) {
    stream.setEncoding("utf8").on("data", (text: string) => {
      printed = `${printed}${text}`.slice(-KEPT);
      onText?.(text);
    });
  }
  const closed = once(child, "close").then(() => true);
  let timedOut = false;
  const kill = (): void => killGroup(child.pid);
  const timer =
    timeoutMs === undefined
      ? undefined
      : setTimeout(() => {
          timedOut = true;
          kill();
        }, timeoutMs);
  signal.addEventListener("abort", kill, { once: true });
  try {
    const [status] = (await once(child, "exit")) as [number | null];
    const waiting = new AbortController();
    await Promise.race([closed, sleep(GRACE_MS, false, { signal: waiting.signal }).catch(() => false)]);
    waiting.abort();
    child.stdout.destroy();
    child.stderr.destroy();
    signal.throwIfAborted();
    const lastLines = printed
      .trimEnd()
      .split(/\r?\n|\r/)
      .slice(-LAST_LINES);
    return { status: timedOut ? null : status, timedOut, lastLines: printed.trim() === "" ? [] : lastLines };
  } finally {
    clearTimeout(timer);
    signal.removeEventListener("abort", kill);
  }
}

function killGroup(leader: number | undefined): void {
  if (leader === undefined) return;
  try {
    process.kill(-leader, "SIGKILL");
  } catch (error) {
    if (errnoCode(error) !== "ESRCH") throw error;
  }
}
