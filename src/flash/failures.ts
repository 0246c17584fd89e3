import { RtkitError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";

const GONE = new Set(["ENODEV", "ENXIO", "ENOMEDIUM", "ESHUTDOWN", "ENOENT"]);

/**
 * The words for a disk that could not be opened, written or read: `errno` as in errno(3), `at` the place in bytes or
 * null when it was opened; `isThere`: whether the disk has its medium.
 */
export function writingFailed(path: string, errno: string, at: number | null, isThere: boolean): RtkitError {
  const place = at === null ? "" : ` at byte ${at} (${formatSize(at)})`;
  if (!isThere || GONE.has(errno)) {
    return new RtkitError("RTK_FLASH_GONE", `${path} is gone: it was pulled out, or its reader lost it`, {
      hint:
        at === null ? "nothing was written to it" : "put it in again and flash it again: what is on it is not whole",
    });
  }
  switch (errno) {
    case "EBUSY":
      return new RtkitError("RTK_FLASH_BUSY", `${path} is in use: something has mounted it or holds it`, {
        hint: `lsblk ${path} shows what; a desktop may mount a card as soon as it is put in`,
      });
    case "EROFS":
      return new RtkitError("RTK_FLASH_READ_ONLY", `${path} cannot be written`, {
        hint: "slide the card's lock switch away from LOCK",
      });
    case "EACCES":
    case "EPERM":
      return new RtkitError("RTK_FLASH_NOT_ROOT", `${path} may only be written by root`, {
        hint: "install sudo, or run this command as root",
      });
    case "ENOSPC":
    case "ENODATA":
      return new RtkitError("RTK_FLASH_FALSE_SIZE", `${path} ends${place}, before the size that it claims`, {
        hint: "the card is a forgery or broken: use another",
      });
    default:
      return new RtkitError("RTK_FLASH_IO", `${path} failed${place}: ${errno}`, {
        hint: "the card is worn out, or its reader or cable is bad; dmesg says more: try another reader, then another card",
      });
  }
}
