import type { Address } from "./address.ts";

/** How ssh is to treat its user's questions and files. */
export interface SshSettings {
  /** Read this in place of ~/.ssh/config and the system's (ssh -F). */
  readonly config: string | undefined;
  /** Take an unknown board's host key without a question; a changed one is refused all the same. */
  readonly acceptNew: boolean;
  /** There is somebody to ask on the terminal: for an unknown host key, a passphrase. */
  readonly ask: boolean;
}

/** Seconds until a board that does not answer is given up. */
const CONNECT_TIMEOUT_S = 10;

/** A link is dead after three questions without an answer, this many seconds apart: a robot's Wi-Fi may stutter. */
const ALIVE = { interval: 5, count: 3 };

/** The options of every connection to a board. What the user's configuration says holds where nothing stands here. */
export function loginOptions({ config, acceptNew, ask }: SshSettings): string[] {
  const options = [
    `StrictHostKeyChecking=${acceptNew ? "accept-new" : ask ? "ask" : "yes"}`,
    ...(ask ? [] : ["BatchMode=yes"]),
    `ConnectTimeout=${CONNECT_TIMEOUT_S}`,
    `ServerAliveInterval=${ALIVE.interval}`,
    `ServerAliveCountMax=${ALIVE.count}`,
  ];
  return [...(config === undefined ? [] : ["-F", config]), ...options.flatMap((option) => ["-o", option])];
}

/** Where ssh is told to go. */
export function destination({ host, port, user }: Address): string[] {
  return [...(port === null ? [] : ["-p", `${port}`]), "-l", user, "--", host];
}

/**
 * ssh's arguments for a connection that others share, through a socket at `socket`. Nothing that the user's configuration
 * has for people who log in goes along: commands, forwarded ports, agent or display.
 */
export function masterArguments(address: Address, settings: SshSettings, socket: string): string[] {
  const options = [
    "ControlPersist=no",
    // Bundles are text for the most part, and a robot is often at the end of a radio link.
    "Compression=yes",
    "ClearAllForwardings=yes",
    "ForwardAgent=no",
    "ForwardX11=no",
    "PermitLocalCommand=no",
    "RemoteCommand=none",
    // What goes wrong is read from its messages.
    "LogLevel=INFO",
  ];
  return [
    ...loginOptions(settings),
    ...options.flatMap((option) => ["-o", option]),
    "-MNnT",
    "-S",
    socket,
    ...destination(address),
  ];
}

/**
 * A configuration in which `board` is a connection that is open at `socket`. Should that be gone, ssh would make one of its
 * own, by other rules: `false` in the place of a network keeps it from that.
 */
export function sessionConfig(socket: string): string {
  const lines = [
    "Host board",
    // Percent signs begin ssh's own words (ssh_config(5), TOKENS).
    `ControlPath "${socket.replaceAll("%", "%%")}"`,
    "ControlMaster no",
    "ProxyCommand false",
    "BatchMode yes",
    "LogLevel ERROR",
    // sudo's messages are told apart by their words (sudoers(5) has no other way). Debian's sshd takes it (AcceptEnv LC_*).
    "SetEnv LC_ALL=C.UTF-8",
  ];
  return `${lines.join("\n  ")}\n`;
}

/** ssh's arguments for one command through the connection of a {@link sessionConfig}. */
export function sessionArguments(config: string, command: string): string[] {
  return ["-F", config, "-T", "--", "board", command];
}

/** The same for a command that has a terminal, also where ours is none. */
export function terminalArguments(config: string, command: string): string[] {
  return ["-F", config, "-tt", "--", "board", command];
}
