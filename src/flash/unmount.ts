import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { asRoot } from "./as-root.ts";
import type { ChosenDisk } from "./choose.ts";

/** Unmounts what a disk has mounted. Throws RTK_FLASH_BUSY when something holds it. */
export async function unmountAll({ name, mounts }: ChosenDisk, signal: AbortSignal): Promise<void> {
  // What is mounted below another mount goes first.
  for (const at of mounts.toReversed()) {
    const [program = "", ...words] = asRoot(["umount", "--", at]);
    try {
      await exec(program, words, { signal });
    } catch (error) {
      if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
      throw new RtkitError("RTK_FLASH_BUSY", `${at} of ${name} cannot be unmounted: ${error.message}`, {
        hint: "close what has files of it open, and try again",
        cause: error,
      });
    }
  }
}
