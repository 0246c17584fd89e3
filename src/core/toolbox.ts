import type { ExecOptions, ExecResult } from "./exec.ts";

/**
 * The programs that builds use, pinned to the target's Debian suite and the same on every host (rootfs/tools-tree.ts
 * makes it). Nothing of the host's own /usr is run through it.
 */
export interface Toolbox {
  /** The sha256 of the tools' packages: goes into the inputs of every step that runs a tool. */
  readonly digest: string;
  /** The time given to every file that a build makes, in seconds since 1970. */
  readonly sourceDateEpoch: number;
  /** Runs a tool by name (`mke2fs`, `mcopy`, `sfdisk`, `python3`), like {@link ./exec.ts exec}, with that time in SOURCE_DATE_EPOCH, in UTC. */
  readonly run: (tool: string, args: readonly string[], options?: ExecOptions) => Promise<ExecResult>;
}
