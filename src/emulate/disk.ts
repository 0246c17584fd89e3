import { access, realpath, rename, rm } from "node:fs/promises";
import { dirname } from "node:path";
import { errnoCode, usageError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";

/** The disk to boot, see {@link chooseDisk}. */
export interface Disk {
  readonly path: string;
  readonly keepWrites: boolean;
}

/**
 * The image itself, of which nothing is changed; or with `kept` that file, which keeps what the machine writes: a copy
 * of the image, made when it is not there. A whole copy and no overlay on top of the image, because the next build
 * replaces the image, and an overlay on other bytes is a broken disk. Holes stay holes.
 * Throws RTK_EMULATE_NO_IMAGE with `buildCommand` as the hint, RTK_EMULATE_DISK_FOLDER when `kept` has no folder to be
 * in, and RTK_EMULATE_DISK_IS_IMAGE when it is the image.
 */
export async function chooseDisk(
  image: string,
  buildCommand: string,
  kept: string | undefined,
  signal: AbortSignal,
): Promise<Disk> {
  if (!(await exists(image))) {
    throw usageError("RTK_EMULATE_NO_IMAGE", `${image} is not there`, { hint: `run: ${buildCommand}` });
  }
  if (kept === undefined) return { path: image, keepWrites: false };
  if (!(await exists(kept))) {
    if (!(await exists(dirname(kept)))) {
      throw usageError("RTK_EMULATE_DISK_FOLDER", `${dirname(kept)} is not there`, {
        hint: "make that folder, or name another file for --disk",
      });
    }
    const temporary = `${kept}.${process.pid}.tmp`;
    try {
      await exec("cp", ["--sparse=always", "--reflink=auto", "--no-preserve=mode", "--", image, temporary], { signal });
      await rename(temporary, kept);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  if ((await realpath(kept)) === (await realpath(image))) {
    throw usageError("RTK_EMULATE_DISK_IS_IMAGE", `${kept} is the build's own image`, {
      hint: "name another file for --disk: it is made as a copy",
    });
  }
  return { path: kept, keepWrites: true };
}

async function exists(path: string): Promise<boolean> {
  try {
    await access(path);
    return true;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return false;
    throw error;
  }
}
