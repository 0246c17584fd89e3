import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RtkitError } from "./errors.ts";

/** A folder for temporary ones, and the variable of the environment that chooses it. */
export interface TempBase {
  readonly dir: string;
  readonly variable: string;
}

/** Where temporary folders go: `$TMPDIR` or /tmp. */
export function tempBase(): TempBase {
  return { dir: tmpdir(), variable: "TMPDIR" };
}

/**
 * Makes a folder that only we can read, below `base`; whoever asks removes it. Throws RTK_TMPDIR where there can be none.
 * `prefix`: the start of its name, e.g. `rtkit-ssh-`.
 */
export async function makeTempDir(prefix: string, base: TempBase = tempBase()): Promise<string> {
  return mkdtemp(join(base.dir, prefix)).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RtkitError("RTK_TMPDIR", `no temporary folder can be made in ${base.dir}: ${reason}`, {
      hint: `set ${base.variable} to a folder that exists and can be written`,
      cause: error,
    });
  });
}
