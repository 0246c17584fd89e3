import { join } from "node:path";
import { rtkitRoot } from "../core/paths.ts";
import type { Toolbox } from "../core/toolbox.ts";

/** Bytes `start` to `end` (not included) of the target, taken from the file `source` at `sourceStart`. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  /** Null: the bytes are in the target already. */
  readonly source: string | null;
  readonly sourceStart: number;
}

/** A SHA-256 of a target's first `at` bytes that can be gone on with, by the same tools. */
export interface HashState {
  readonly at: number;
  readonly state: string;
}

/** What {@link splice} puts together. */
export interface SpliceOptions {
  /** A sparse file of `size` bytes. */
  readonly target: string;
  readonly size: number;
  /** Ascending, not overlapping; zeros between them. */
  readonly segments: readonly Segment[];
  /** From an earlier target that had the same bytes up to there, so that they need not be hashed again. */
  readonly resume: HashState | null;
  /** Where to keep the state; no segment reaches over it. */
  readonly saveAt: number;
}

/**
 * Copies segments into a sparse target and returns the sha256, in hex, of the whole target. The kernel copies, beside the
 * hashing; src/image/splice.py does it, because Node has neither copy_file_range(2) nor a hash whose state can be kept.
 */
export async function splice(
  tools: Toolbox,
  options: SpliceOptions,
  signal: AbortSignal,
): Promise<{ readonly sha256: string; readonly saved: HashState }> {
  const script = join(rtkitRoot, "src", "image", "splice.py");
  const { stdout } = await tools.run("python3", ["-S", script], { input: JSON.stringify(options), signal });
  return JSON.parse(stdout) as { sha256: string; saved: HashState };
}
