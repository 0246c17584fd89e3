import { spawn } from "node:child_process";
import { setTimeout as sleep } from "node:timers/promises";
import { errnoCode, RtkitError } from "./errors.ts";

/** How {@link startProcess} starts a program. */
export interface ProcessOptions {
  /** An open file descriptor, `inherit` for our own, or `ignore` for /dev/null. */
  readonly stdin: "inherit" | "ignore" | number;
  readonly stdout: "inherit" | "ignore" | number;
  readonly stderr: "inherit" | "ignore" | number;
  /**
   * True: in a session of its own, and it survives us. False: in our process group, and the kernel sends it SIGTERM when
   * we die, however we die (PR_SET_PDEATHSIG in prctl(2)).
   */
  readonly detached: boolean;
}

/** How a program ended: its exit status, or the signal that killed it. */
export interface ProcessEnd {
  readonly status: number | null;
  readonly signal: NodeJS.Signals | null;
}

/** A program that runs beside us. */
export interface RunningProcess {
  readonly pid: number;
  /** Never rejects. A detached program does not keep us running, so wait for something else besides. */
  readonly ended: Promise<ProcessEnd>;
  /** SIGTERM, and SIGKILL when it is still there after 5 s; returns when it is gone. */
  readonly stop: () => Promise<void>;
}

/**
 * The command line that runs a program so that the kernel sends it `signal` when we die, however we die
 * (PR_SET_PDEATHSIG in prctl(2)). It stays so in a user namespace of its own, and is lost when the program is set-user-id.
 */
export function dyingWithUs(signal: "TERM" | "KILL", file: string, args: readonly string[]): [string, string[]] {
  return ["setpriv", ["--pdeathsig", signal, "--", file, ...args]];
}

/** Starts a program without a shell and does not wait for it. Throws RTK_EXEC_MISSING when it is not installed. */
export async function startProcess(
  file: string,
  args: readonly string[],
  options: ProcessOptions,
): Promise<RunningProcess> {
  const [program, words] = options.detached ? [file, [...args]] : dyingWithUs("TERM", file, args);
  const child = spawn(program, words, {
    stdio: [options.stdin, options.stdout, options.stderr],
    detached: options.detached,
  });
  const ended = new Promise<ProcessEnd>((resolve) => {
    child.once("exit", (status, signal) => resolve({ status, signal }));
  });
  await new Promise<void>((resolve, reject) => {
    child.once("spawn", resolve);
    child.once("error", (error) => reject(startFailure(error, program)));
  });
  if (options.detached) child.unref();
  const { pid } = child;
  if (pid === undefined) throw new Error(`${program} started without a process id`);
  const stop = async (): Promise<void> => {
    child.ref();
    child.kill("SIGTERM");
    const waiting = new AbortController();
    const tooLong = sleep(5000, true, { signal: waiting.signal }).catch(() => false);
    if ((await Promise.race([ended, tooLong])) === true) child.kill("SIGKILL");
    waiting.abort();
    await ended;
  };
  return { pid, ended, stop };
}

function startFailure(error: Error, program: string): Error {
  if (errnoCode(error) !== "ENOENT") return error;
  return new RtkitError("RTK_EXEC_MISSING", `${program} is not installed`, {
    hint: `install the Debian package that has ${program}`,
    cause: error,
  });
}
