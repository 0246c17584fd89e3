import { RtkitError } from "../core/errors.ts";
import { findProgram } from "../core/programs.ts";

/**
 * A command line as root runs it: as it is for root, else behind sudo, which asks for a password on the terminal when it
 * has to. Throws RTK_FLASH_NOT_ROOT where there is no sudo.
 */
export function asRoot(argv: readonly string[]): readonly string[] {
  if (process.getuid?.() === 0) return argv;
  if (findProgram("sudo") !== undefined) return ["sudo", "--", ...argv];
  throw new RtkitError("RTK_FLASH_NOT_ROOT", "only root may write to disks, and there is no sudo", {
    hint: "install sudo, or run this command as root",
  });
}
