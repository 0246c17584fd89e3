import type { ExecOptions, ExecResult } from "./exec.ts";

/** A folder of this machine that programs of a {@link Toolchain} see. */
export interface Mount {
  /** Absolute. */
  readonly from: string;
  /** Where it appears: one of {@link MOUNT_POINTS}. */
  readonly to: MountPoint;
  readonly readOnly?: true;
}

/** Folders of a toolchain's tree that are there to be mounted on. */
export const MOUNT_POINTS = ["/src", "/build", "/ccache", "/origin"] as const;
export type MountPoint = (typeof MOUNT_POINTS)[number];

/**
 * Compilers and what they need, pinned to the target's Debian suite. Programs run in a tree of their own, where folders of
 * this machine appear at fixed places: what they make does not depend on this machine, nor on where its folders are.
 */
export interface Toolchain {
  /** Prefix of the compiler's programs for the target: `aarch64-linux-gnu-`. */
  readonly prefix: string;
  /** Runs a program of the tree with exactly the environment given. It and all that it started are gone when this ends. */
  readonly run: (
    command: readonly [string, ...string[]],
    options: ExecOptions & { readonly mounts: readonly Mount[] },
  ) => Promise<ExecResult>;
}
