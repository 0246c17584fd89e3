import { once } from "node:events";
import { connect, type Socket } from "node:net";
import ssh2 from "ssh2";
import { RtkitError } from "../core/errors.ts";
import { keyBlob } from "../core/ssh-keys.ts";

/** How to get into a machine. Paths and addresses are those of the host. */
export interface SshAccess {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  /** The private key's file. */
  readonly key: string;
  /** A known_hosts file with the machine's host key. */
  readonly knownHosts: string;
  /** An ssh_config(5) file that names all of this, see {@link ./ssh-config.ts sshConfig}. */
  readonly config: string;
}

/** What {@link connectSsh} needs of it. */
export interface SshLogin {
  readonly host: string;
  readonly port: number;
  readonly user: string;
  readonly privateKey: string;
  /** The only host key that is taken, as {@link ../core/ssh-keys.ts KeyPair} has it. */
  readonly hostKey: string;
}

/** An open connection. */
export interface SshConnection {
  /** Runs a command with the user's shell; undefined when the connection was lost. */
  readonly run: (command: string) => Promise<SshOutput | undefined>;
  readonly close: () => void;
}

/** What a command printed, and its exit status (undefined when a signal ended it). */
export interface SshOutput {
  readonly status: number | undefined;
  readonly stdout: string;
}

/** Key exchange and log-in, ms: they take seconds where they are emulated, more while the guest is busy booting. */
const LOGIN_MS = 120_000;

/**
 * One try to log in. QEMU takes connections before the guest does, so a server that sends nothing within `greetingMs`
 * is not there yet: sshd speaks first (RFC 4253, 4.2). Undefined when nobody answers yet or the log-in is not accepted
 * yet (while a board boots, it turns users away). Throws RTK_EMULATE_HOST_KEY when another machine answers, and the
 * signal's reason when aborted.
 */
export async function connectSsh(
  login: SshLogin,
  greetingMs: number,
  signal: AbortSignal,
): Promise<SshConnection | undefined> {
  const socket = await greetedSocket(login, greetingMs, signal);
  if (socket === undefined) return undefined;
  const client = new ssh2.Client();
  const expected = keyBlob(login.hostKey);
  let stranger = false;
  const ready = new Promise<boolean>((resolve) => {
    client.once("ready", () => resolve(true));
    // Stays for the connection's life: what goes wrong later shows as a lost connection where it is used.
    client.on("error", () => resolve(false));
    client.once("close", () => resolve(false));
    signal.addEventListener("abort", () => resolve(false), { once: true });
  });
  client.connect({
    sock: socket,
    username: login.user,
    privateKey: login.privateKey,
    readyTimeout: LOGIN_MS,
    algorithms: { serverHostKey: ["ssh-ed25519"] },
    hostVerifier: (key: Buffer) => {
      stranger = !key.equals(expected);
      return !stranger;
    },
  });
  if ((await ready) && !signal.aborted) {
    return { run: (command) => runCommand(client, command, signal), close: () => client.destroy() };
  }
  client.destroy();
  signal.throwIfAborted();
  if (!stranger) return undefined;
  throw new RtkitError("RTK_EMULATE_HOST_KEY", `another machine answers on port ${login.port} of ${login.host}`, {
    hint: "run it again: another port will be chosen",
  });
}

/** A socket on which the other side has spoken, or undefined. */
async function greetedSocket(login: SshLogin, greetingMs: number, signal: AbortSignal): Promise<Socket | undefined> {
  const socket = connect({ host: login.host, port: login.port });
  // Whatever goes wrong, its end says the same.
  socket.on("error", () => undefined);
  const patience = AbortSignal.any([signal, AbortSignal.timeout(greetingMs)]);
  const hungUp = new Promise<false>((resolve) => {
    socket.once("close", () => resolve(false));
  });
  try {
    // "readable" without reading leaves the greeting to the ssh client; it also comes at the end of a stream.
    const spoken = await Promise.race([once(socket, "readable", { signal: patience }).then(() => true), hungUp]);
    if (spoken && socket.readableLength > 0) return socket;
  } catch {
    // Refused, or silent for too long.
  }
  socket.destroy();
  signal.throwIfAborted();
  return undefined;
}

async function runCommand(client: ssh2.Client, command: string, signal: AbortSignal): Promise<SshOutput | undefined> {
  return new Promise((resolve, reject) => {
    const lost = (): void => resolve(undefined);
    const aborted = (): void => reject(signal.reason as Error);
    signal.addEventListener("abort", aborted, { once: true });
    client.once("close", lost);
    client.exec(command, (error, channel) => {
      if (error !== undefined) return lost();
      let stdout = "";
      let status: number | undefined;
      channel.setEncoding("utf8");
      channel.on("data", (text: string) => (stdout += text));
      channel.stderr.resume();
      channel.on("exit", (code: number | null) => (status = code ?? undefined));
      channel.once("close", () => {
        signal.removeEventListener("abort", aborted);
        client.off("close", lost);
        resolve({ status, stdout });
      });
    });
  });
}
