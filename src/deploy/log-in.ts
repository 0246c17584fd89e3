import { startProcess } from "../core/process.ts";
import type { Address } from "./address.ts";
import { destination, loginOptions, type SshSettings } from "./ssh-command.ts";

/** Gives the terminal to an ssh that logs in on a board, and returns its exit status, null when a signal ended it. */
export async function logIn(address: Address, settings: SshSettings, signal: AbortSignal): Promise<number | null> {
  const ssh = await startProcess("ssh", [...loginOptions(settings), ...destination(address)], {
    stdin: "inherit",
    stdout: "inherit",
    stderr: "inherit",
    detached: false,
  });
  const stop = (): void => void ssh.stop();
  signal.addEventListener("abort", stop, { once: true });
  const { status } = await ssh.ended;
  signal.removeEventListener("abort", stop);
  signal.throwIfAborted();
  return status;
}
