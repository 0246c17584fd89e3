import { rm } from "node:fs/promises";
import { errnoCode } from "./errors.ts";
import { exec } from "./exec.ts";
import { inUserNamespace } from "./user-namespace.ts";

/**
 * Removes a file or a whole folder; nothing happens when it is not there. What belongs to our subordinate ids (a killed
 * mmdebstrap's tree) only root of a user namespace can remove.
 */
export async function removeTree(path: string): Promise<void> {
  try {
    await rm(path, { recursive: true, force: true });
  } catch (error) {
    if (!["EACCES", "EPERM"].includes(errnoCode(error) ?? "")) throw error;
    const remove = ["rm", "-rf", "--one-file-system", "--", path];
    await exec(...inUserNamespace([], remove));
  }
}
