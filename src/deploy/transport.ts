import { existsSync } from "node:fs";
import { mkdtemp, open, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { Writable, type Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { execEnd, type ExecEnd } from "../core/exec.ts";
import { startProcess, type RunningProcess } from "../core/process.ts";
import type { Address } from "./address.ts";
import {
  destination,
  loginOptions,
  masterArguments,
  sessionArguments,
  sessionConfig,
  type SshSettings,
} from "./ssh-command.ts";
import { connectFailure, linkLost } from "./ssh-failures.ts";

/** An open connection to a board. */
export interface Connection {
  readonly address: Address;
  /**
   * Runs a command with the board's shell, so nothing of it may come from elsewhere. Its exit status is an answer; throws
   * RTK_SSH_LOST when the connection breaks, and the signal's reason when aborted.
   */
  readonly run: (command: string, options?: RunOptions) => Promise<ExecEnd>;
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
    return {
      address,
      sshConfig,
      where: async () => whereTo(address, settings, signal),
      run: async (command, options) => runSession(address, sshConfig, command, signal, options),
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
  sshConfig: string,
  command: string,
  signal: AbortSignal,
  { stdin, onLine }: RunOptions = {},
): Promise<ExecEnd> {
  const end = await execEnd("ssh", sessionArguments(sshConfig, command), {
    signal,
    ...(stdin === undefined ? {} : { stdin }),
    ...(onLine === undefined ? {} : { onStdoutLine: onLine, stdout: nowhere() }),
  });
  if (end.status === SSH_FAILED || end.status === null) throw linkLost(address);
  return end;
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
