import { RtkitError, type Place } from "../core/errors.ts";
import { shellQuote } from "../core/exec.ts";
import { printable } from "../core/printable.ts";
import { formatAddress, type Address } from "./address.ts";

/** What ssh's messages mean, the first that fits. Their wording is OpenSSH's since 6.5 and is not translated. */
const FAILURES: readonly {
  readonly said: RegExp;
  readonly code: string;
  readonly what: (board: string, address: Address) => string;
  readonly hint: (address: Address) => string;
}[] = [
  {
    said: /REVOKED HOST KEY DETECTED|is marked as revoked/,
    code: "RTK_SSH_HOST_KEY_REVOKED",
    what: (board) => `${board} has a host key that known_hosts says is revoked`,
    hint: () => "somebody withdrew that key: do not connect before you know why",
  },
  {
    said: /No \S+ (?:host )?key is known for|Host key verification failed/i,
    code: "RTK_SSH_HOST_KEY_UNKNOWN",
    what: (board) => `${board} is not in known_hosts: nobody has said yet that it is the board that is meant`,
    hint: () =>
      "run it on a terminal, where you are shown the key's fingerprint; or add --accept-new to take it as it is",
  },
  {
    said: /Could not resolve hostname/,
    code: "RTK_SSH_HOST_NOT_FOUND",
    what: (_, { host }) => `there is no host ${host}`,
    hint: ({ host }) =>
      host.endsWith(".local")
        ? "is it on, and in this network? .local names need mDNS (Debian package libnss-mdns)"
        : "look at its name in rtkit.yaml or behind --host",
  },
  {
    said: /Connection refused/,
    code: "RTK_SSH_REFUSED",
    what: (board) => `${board} is there and has no ssh server on that port`,
    hint: () => "it may still be booting; look at the port",
  },
  {
    said: /timed out|No route to host|Network is unreachable|Host is down/i,
    code: "RTK_SSH_UNREACHABLE",
    what: (board) => `${board} does not answer`,
    hint: () => "is it on, and in this network?",
  },
  {
    said: /Permission denied|Too many authentication failures/,
    code: "RTK_SSH_LOGIN",
    what: (board, { user }) => `${board} lets ${user} in with none of your keys`,
    hint: () =>
      "its keys are those of image.ssh.authorized_keys; is yours in the agent (ssh-add -l), or named in ~/.ssh/config?",
  },
];

/**
 * Why ssh could not connect, from what it said on standard error: with a code that docs/errors.md lists under deploy. A changed host key's place is
 * the line of known_hosts that has another one.
 */
export function connectFailure(address: Address, stderr: string): RtkitError {
  const board = formatAddress(address);
  const said = printable(stderr).trim();
  if (/REMOTE HOST IDENTIFICATION HAS CHANGED/.test(said)) return changedKey(address, said);
  const known = FAILURES.find((failure) => failure.said.test(said));
  if (known !== undefined) {
    return new RtkitError(known.code, known.what(board, address), {
      hint: known.hint(address),
      cause: new Error(said),
    });
  }
  const last = said.split("\n").slice(-LAST_LINES).join("\n");
  return new RtkitError("RTK_SSH_FAILED", `ssh cannot connect to ${board}${last === "" ? "" : `:\n${last}`}`, {
    hint: `try it by hand: ssh -v ${shellQuote([`${address.user}@${address.host}`])}`,
  });
}

/** Lines of a program's messages that are worth showing. */
const LAST_LINES = 5;

function changedKey(address: Address, said: string): RtkitError {
  const [, file, line] = /Offending .* in (.+):(\d+)$/m.exec(said) ?? [];
  const where: Place | undefined = file === undefined ? undefined : { file, line: Number(line) };
  const name = /Host key for (\S+) has changed/.exec(said)?.[1] ?? address.host;
  const forget = shellQuote(["ssh-keygen", ...(file === undefined ? [] : ["-f", file]), "-R", name]);
  return new RtkitError(
    "RTK_SSH_HOST_KEY_CHANGED",
    `${formatAddress(address)} has another host key than before: another board, or somebody in between`,
    { hint: `if its card was written anew, forget the old key: ${forget}`, ...(where === undefined ? {} : { where }) },
  );
}

/** An open connection broke. */
export function linkLost(address: Address): RtkitError {
  return new RtkitError("RTK_SSH_LOST", `the connection to ${formatAddress(address)} was lost`, {
    hint: "run it again: it does only what is missing",
  });
}

/** A board that is there for ssh, and says nothing: its card hangs, or what was started there. */
export function noAnswer(address: Address): RtkitError {
  return new RtkitError("RTK_SSH_LOST", `${formatAddress(address)} does not answer any more`, {
    hint: "look at it, and run it again: it does only what is missing",
  });
}
