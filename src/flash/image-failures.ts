import { errnoCode, RtkitError, usageError, type ErrorOptions } from "../core/errors.ts";
import type { Extent } from "./extents.ts";

/** RTK_FLASH_IMAGE: there is no image to write. `what` goes on after the file's name: "is a folder". */
export function unreadable(path: string, what: string, options: Omit<ErrorOptions, "exitStatus"> = {}): RtkitError {
  return usageError("RTK_FLASH_IMAGE", `${path} ${what}`, options);
}

/** RTK_FLASH_DAMAGED: the image ended early, or its decompressor gave up. Errors that are words for users stay as they are. */
export function damaged(path: string, error: unknown): unknown {
  if (error instanceof RtkitError && error.code !== "RTK_EXEC_FAILED") return error;
  const reason = error instanceof Error ? error.message : String(error);
  if (errnoCode(error) === "ABORT_ERR") return error;
  return new RtkitError("RTK_FLASH_DAMAGED", `${path} is damaged: ${reason}`, {
    hint: "get or build it again; the disk was not made bootable",
    cause: error,
  });
}

/** RTK_FLASH_DAMAGED: a range of the image has another sha256 than its block map. */
export function notAsMapped(path: string, { offset, length }: Extent): unknown {
  return damaged(path, new Error(`bytes ${offset} to ${offset + length - 1} are not what its block map says`));
}
