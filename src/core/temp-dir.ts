import { mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { RtkitError } from "./errors.ts";

/**
 * Makes a folder that only we can read, below `$TMPDIR` or /tmp; whoever asks removes it. Throws RTK_TMPDIR where there can
 * be none. `prefix`: the start of its name, e.g. `rtkit-ssh-`.
 */
export async function makeTempDir(prefix: string): Promise<string> {
  return mkdtemp(join(tmpdir(), prefix)).catch((error: unknown) => {
    const reason = error instanceof Error ? error.message : String(error);
    throw new RtkitError("RTK_TMPDIR", `no temporary folder can be made in ${tmpdir()}: ${reason}`, {
      hint: "set TMPDIR to a folder that exists and can be written",
      cause: error,
    });
  });
}
