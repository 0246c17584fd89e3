import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { execEnd, type ExecEnd } from "../core/exec.ts";
import { startProcess, type RunningProcess } from "../core/process.ts";
import type { Address } from "./address.ts";
import { masterArguments, sessionArguments, terminalArguments, type SshSettings } from "./ssh-command.ts";
import { connectFailure, linkLost } from "./ssh-failures.ts";

/** An open connection to a board. */
export interface Connection {
  readonly address: Address;
  /**
   * Runs a command with the board's shell, so nothing of it may come from elsewhere. Its exit status is an answer; throws
   * RTK_SSH_LOST when the connection breaks, and the signal's reason when aborted.
   */
  readonly run: (command: string, options?: RunOptions) => Promise<ExecEnd>;
  /** Gives the terminal to a command, likewise, that has something to ask; its exit status, null when a signal ended it. */
  readonly onTerminal: (command: string) => Promise<number | null>;
  /** Ends the connection and removes its folder. */
  readonly close: () => Promise<void>;
}

/** How a command is run on a board. */
export interface RunOptions {
  readonly stdin?: Readable;
  /** Called for each line of standard output, which is then not returned. */
  readonly onLine?: (line: string) => void;
}

/** ssh's own exit status when it fails; commands of the board do not end with it (ssh(1), EXIT STATUS). */
const SSH_FAILED = 255;

/** Between two looks at whether the connection is there, ms. */
const LOOK_MS = 10;

/**
 * Connects with the system's own ssh, once; commands share the connection through a socket in a private folder. ssh dies
 * with us. Throws {@link ./ssh-failures.ts connectFailure}, and the signal's reason when aborted.
 */
export async function connect(address: Address, settings: SshSettings, signal: AbortSignal): Promise<Connection> {
  signal.throwIfAborted();
  // 0700, and short: the path of a socket has room for 107 bytes (unix(7)), of which ssh wants 17 for itself.
  const dir = await mkdtemp(join(tmpdir(), "rtkit-ssh-"));
  let master: RunningProcess | undefined;
  // A command's pipes are in the hands of the shared connection: they stay open until that ends, whoever ends the command.
  const hangUp = (): void => void master?.stop();
  signal.addEventListener("abort", hangUp, { once: true });
  const close = async (): Promise<void> => {
    signal.removeEventListener("abort", hangUp);
    await master?.stop();
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const socket = join(dir, "s");
    const messages = join(dir, "messages");
    master = await startMaster(masterArguments(address, settings, socket), messages);
    const ended = master.ended.then(() => true);
    // ssh makes the socket when it is logged in, by rename.
    while (!existsSync(socket)) {
      if (await Promise.race([ended, sleep(LOOK_MS, false)])) {
        signal.throwIfAborted();
        throw connectFailure(address, await readFile(messages, "utf8"));
      }
      signal.throwIfAborted();
    }
    return {
      address,
      run: async (command, options) => runSession(address, socket, command, signal, options),
      onTerminal: async (command) => runOnTerminal(address, terminalArguments(socket, command), signal),
      close,
    };
  } catch (error) {
    await close();
    throw error;
  }
}

async function startMaster(args: readonly string[], messages: string): Promise<RunningProcess> {
  const file = await open(messages, "w", 0o600);
  try {
    return await startProcess("ssh", args, { stdin: "ignore", stdout: "ignore", stderr: file.fd, detached: false });
  } finally {
    await file.close();
  }
}

async function runSession(
  address: Address,
  socket: string,
  command: string,
  signal: AbortSignal,
  { stdin, onLine }: RunOptions = {},
): Promise<ExecEnd> {
  const end = await execEnd("ssh", sessionArguments(socket, command), {
    signal,
    ...(stdin === undefined ? {} : { stdin }),
    ...(onLine === undefined ? {} : { onStdoutLine: onLine, stdout: nowhere() }),
  });
  if (end.status === SSH_FAILED || end.status === null) throw linkLost(address);
  return end;
}

async function runOnTerminal(address: Address, args: readonly string[], signal: AbortSignal): Promise<number | null> {
  const stdio = { stdin: "inherit", stdout: "inherit", stderr: "inherit" } as const;
  const ssh = await startProcess("ssh", args, { ...stdio, detached: false });
  const { status } = await ssh.ended;
  signal.throwIfAborted();
  if (status === SSH_FAILED) throw linkLost(address);
  return status;
}

/** Takes lines that somebody else has read. */
function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
