import { existsSync } from "node:fs";
import { open, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Writable, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { execEnd, type ExecEnd } from "../core/exec.ts";
import { startProcess, type RunningProcess } from "../core/process.ts";
import { makeTempDir } from "../core/temp-dir.ts";
import type { Address } from "./address.ts";
import {
  destination,
  loginOptions,
  masterArguments,
  sessionArguments,
  sessionConfig,
  terminalArguments,
  type SshSettings,
} from "./ssh-command.ts";
import { connectFailure, linkLost, noAnswer } from "./ssh-failures.ts";

/** An open connection to a board. */
export interface Connection {
  readonly address: Address;
  /**
   * Runs a command with the board's shell, so nothing of it may come from elsewhere. Its exit status is an answer; throws
   * RTK_SSH_LOST when the connection breaks, and at once the signal's reason when aborted: the command may go on then,
   * and the connection takes others, until it is closed.
   */
  readonly run: (command: string, options?: RunOptions) => Promise<ExecEnd>;
  /** Gives the terminal to a command, likewise, that has something to ask; its exit status, null when a signal ended it. */
  readonly onTerminal: (command: string) => Promise<number | null>;
  /** A configuration for ssh: `ssh -F FILE board COMMAND` goes over this connection, and by no other way. */
  readonly sshConfig: string;
  /** Where ssh's own configuration leads the address to: what another program can connect to. */
  readonly where: () => Promise<{ readonly host: string; readonly port: number; readonly user: string }>;
  /** Ends the connection and removes its folder. */
  readonly close: () => Promise<void>;
}

/** How a command is run on a board. */
export interface RunOptions {
  readonly stdin?: Readable;
  /** Called for each line of standard output, which is then not returned. */
  readonly onLine?: (line: string) => void;
  /** Ends this command, in place of the signal that the connection was made with. */
  readonly signal?: AbortSignal;
  /** After this time the board counts as one that is lost. */
  readonly timeoutMs?: number;
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
  const dir = await makeTempDir("rtkit-ssh-");
  let master: RunningProcess | undefined;
  const hangUp = (): void => void master?.stop();
  signal.addEventListener("abort", hangUp, { once: true });
  const sessions = new Set<Promise<unknown>>();
  const close = async (): Promise<void> => {
    await master?.stop();
    await Promise.allSettled(sessions);
    await rm(dir, { recursive: true, force: true });
  };
  try {
    const socket = join(dir, "s");
    const sshConfig = join(dir, "config");
    await writeFile(sshConfig, sessionConfig(socket), { mode: 0o600 });
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
    const run: Connection["run"] = async (command, options = {}) => {
      const silent = new AbortController();
      const { timeoutMs } = options;
      const giveUp = (): void => silent.abort(noAnswer(address));
      const timer = timeoutMs === undefined ? undefined : setTimeout(giveUp, timeoutMs);
      const until = AbortSignal.any([options.signal ?? signal, silent.signal]);
      const session = runSession(address, sshConfig, command, until, options);
      sessions.add(session);
      void session.catch(() => undefined).then(() => sessions.delete(session));
      return beforeAbort(until, session).finally(() => clearTimeout(timer));
    };
    const onTerminal: Connection["onTerminal"] = async (command) =>
      runOnTerminal(address, terminalArguments(sshConfig, command), signal);
    return { address, sshConfig, where: async () => whereTo(address, settings, signal), run, onTerminal, close };
  } catch (error) {
    await close();
    throw error;
  } finally {
    signal.removeEventListener("abort", hangUp);
  }
}

/**
 * Waits no longer than until the abort. A command's pipes are in the hands of the shared connection: they stay open until
 * that ends, whoever ends the command.
 */
async function beforeAbort<T>(signal: AbortSignal, work: Promise<T>): Promise<T> {
  const aborted = Promise.withResolvers<never>();
  const abort = (): void => aborted.reject(signal.reason as Error);
  signal.addEventListener("abort", abort, { once: true });
  try {
    return await Promise.race([work, aborted.promise]);
  } finally {
    signal.removeEventListener("abort", abort);
  }
}

async function startMaster(args: readonly string[], messages: string): Promise<RunningProcess> {
  const file = await open(messages, "w", 0o600);
  try {
    // Ctrl-C and the end of the terminal are told to us; ssh is still needed to tell the board.
    return await startProcess("env", ["--ignore-signal=INT,HUP", "ssh", ...args], {
      stdin: "ignore",
      stdout: "ignore",
      stderr: file.fd,
      detached: false,
    });
  } finally {
    await file.close();
  }
}

async function runSession(
  address: Address,
  sshConfig: string,
  command: string,
  signal: AbortSignal,
  { stdin, onLine }: RunOptions,
): Promise<ExecEnd> {
  // In a session of its own: Ctrl-C must not look like a lost connection.
  const end = await execEnd("setsid", ["ssh", ...sessionArguments(sshConfig, command)], {
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

/** What ssh makes of an address with the user's configuration (ssh(1), -G). */
async function whereTo(
  address: Address,
  settings: SshSettings,
  signal: AbortSignal,
): Promise<{ host: string; port: number; user: string }> {
  const { stdout } = await execEnd("ssh", ["-G", ...loginOptions(settings), ...destination(address)], { signal });
  const said = (key: string): string | undefined => new RegExp(`^${key} (.+)$`, "m").exec(stdout)?.[1];
  return { host: said("hostname") ?? address.host, port: Number(said("port") ?? address.port), user: address.user };
}

/** Takes lines that somebody else has read. */
function nowhere(): Writable {
  return new Writable({ write: (_chunk, _encoding, done) => done() });
}
