import { isAbsolute } from "node:path";
import type { Disk } from "./disks.ts";
import { printable } from "../core/printable.ts";

/** Why a disk is not written to. */
export interface Refusal {
  /** An error code of docs/errors.md. */
  readonly code: string;
  /** Goes on after the disk's name: `is what / is on`. */
  readonly reason: string;
  /** What would help, if anything does. */
  readonly hint: string;
}

/** What may be done with a disk. */
export interface Verdict {
  /** None: it may be written to. */
  readonly refusals: readonly Refusal[];
  /** Where something of it is mounted that would have to be unmounted before. */
  readonly unmount: readonly string[];
  /** Why it takes more than a yes: whoever asks for it has to type its path and size. Undefined for cards and sticks. */
  readonly doubt: string | undefined;
}

/** What is to be written. */
export interface WriteRequest {
  /** Undefined where nobody knows before the end. */
  readonly imageBytes: number | undefined;
  /** The image's file or device, and what is behind that, with no link in their paths; none for a pipe. */
  readonly imagePaths: readonly string[];
}

/** Every card that is sold as 128 GB is below this, in bytes. Larger ones are rarely what somebody flashes. */
const LARGE_BYTES = 128 * 1024 ** 3;

/** Where desktops and people mount cards. What is mounted anywhere else is in use by the system. */
const CARD_MOUNTS = ["/media/", "/run/media/", "/mnt/"];

/** Decides whether a disk may be written to. Pure; in doubt it may not. */
export function judge(disk: Disk, request: WriteRequest): Verdict {
  const refusals: Refusal[] = [];
  const refuse = (code: string, reason: string, hint: string): void => void refusals.push({ code, reason, hint });
  const { kind, mounts, sizeBytes } = disk;
  const system = mounts.filter(({ at }) => !isCardMount(at));
  if (kind === "other") refuse("RTK_FLASH_NOT_A_DISK", "is no disk for an image", "name a card");
  if (sizeBytes === 0) refuse("RTK_FLASH_NO_MEDIUM", "has no medium in it", "put a card in");
  if (system.length > 0) {
    const places = printable(system.map(({ at }) => (at === "[SWAP]" ? "swap" : at)).join(", "));
    refuse("RTK_FLASH_SYSTEM_DISK", `is what this system has ${places} on`, "name another disk");
  } else if (mounts.length > 0 && kind !== "removable" && kind !== "loop") {
    const places = printable(mounts.map(({ at }) => at).join(", "));
    refuse("RTK_FLASH_MOUNTED", `is mounted at ${places}`, "unmount it, if it is the one that is meant");
  }
  if (disk.memberOf.length > 0) {
    const groups = disk.memberOf.join(" and ");
    refuse(
      "RTK_FLASH_MEMBER",
      `is part of ${groups}`,
      `take it out of ${groups} first, if it is the one that is meant`,
    );
  }
  if (disk.readOnly) refuse("RTK_FLASH_READ_ONLY", "cannot be written", "slide the card's lock switch away from LOCK");
  if (request.imageBytes !== undefined && sizeBytes > 0 && sizeBytes < request.imageBytes) {
    const reason = `has ${sizeBytes} bytes, and the image ${request.imageBytes}`;
    refuse("RTK_FLASH_TOO_SMALL", reason, "use a larger card");
  }
  if (disk.backing?.startsWith("/dev/") === true) {
    refuse("RTK_FLASH_NOT_A_DISK", `is a view of ${disk.backing}`, `name ${disk.backing} if that is meant`);
  }
  if (request.imagePaths.some((path) => holdsFile(disk, path))) {
    refuse("RTK_FLASH_IMAGE_DISK", "is what the image itself is on", "copy the image somewhere else first");
  }
  // A mount is longer than what it lies below.
  const unmount = [...new Set(mounts.map(({ at }) => at))].toSorted((a, b) => a.length - b.length);
  return { refusals, unmount, doubt: doubtOf(disk) };
}

function doubtOf({ kind, sizeBytes, logicalBlockBytes }: Disk): string | undefined {
  // A partition table counts in sectors: made for others it names other places.
  if (logicalBlockBytes !== 512) return `has sectors of ${logicalBlockBytes} bytes, from which few images start`;
  if (kind === "loop") return undefined;
  if (kind === "internal") return "is built into this computer";
  if (kind === "external") return "is no card or stick but a disk";
  return sizeBytes > LARGE_BYTES ? "is larger than 128 GB" : undefined;
}

function isCardMount(at: string): boolean {
  return CARD_MOUNTS.some((start) => `${at}/`.startsWith(start));
}

function holdsFile({ path, parts, backing, mounts }: Disk, file: string): boolean {
  if ([path, backing, ...parts].includes(file)) return true;
  return isAbsolute(file) && mounts.some(({ at }) => at !== "/" && file.startsWith(`${at}/`));
}
