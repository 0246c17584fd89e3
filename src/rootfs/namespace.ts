import { inUserNamespace } from "../core/user-namespace.ts";

/** How programs of the target's architecture run while its packages are configured. */
export type ForeignPrograms =
  /** The host's CPU runs them. */
  | { readonly kind: "native" }
  /**
   * Each as its twin of the tools tree where there is one, see src/rootfs/dispatch/dispatch.c; the build registers the
   * dispatcher in its own user namespace, nothing of the host changes.
   */
  | { readonly kind: "dispatched"; readonly qemu: string; readonly register: string }
  /** qemu-user translates every instruction. Without `register` the host has an interpreter registered. */
  | { readonly kind: "emulated"; readonly register: string | undefined; readonly reason: string };

/** A program with its arguments, for {@link ../core/exec.ts exec}. */
export interface Command {
  readonly file: string;
  readonly args: readonly string[];
}

/**
 * Mounts, processes and host name of its own. Whatever runs inside dies with `unshare` itself, which ignores SIGTERM while it waits,
 * so end it with SIGKILL.
 */
const FLAGS = ["--mount", "--uts", "--pid", "--fork", "--kill-child"];

/** Mounts a binfmt_misc of the namespace's own, registers "$1" there and becomes the rest of the command line. */
const REGISTER_SCRIPT = [
  "set -eu",
  "mount -t binfmt_misc none /proc/sys/fs/binfmt_misc",
  'printf %s "$1" >/proc/sys/fs/binfmt_misc/register',
  "shift",
  'exec "$@"',
].join("\n");

/** The command that runs `command` as root of a namespace of its own, with foreign programs runnable when asked. */
export function namespace(command: readonly string[], foreign: ForeignPrograms = { kind: "native" }): Command {
  const register = foreign.kind === "native" ? undefined : foreign.register;
  const inside = register === undefined ? command : ["sh", "-c", REGISTER_SCRIPT, "sh", register, ...command];
  const [file, args] = inUserNamespace(FLAGS, inside);
  return { file, args };
}
