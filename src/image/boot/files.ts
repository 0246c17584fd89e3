import type { RtkitError } from "../../core/errors.ts";
import type { FileSource } from "../fat.ts";
import { directBoot } from "./direct.ts";
import type { BootContents, BootInput } from "./family.ts";
import { raspberryPiBoot } from "./raspberrypi.ts";

/** The boot partition's files for a board, by their path in it. Throws RTK_BOOT_FILE when the packages lack one. */
export function bootFiles(input: BootInput): Map<string, FileSource> {
  const { firmware } = input.board;
  return firmware.family === "raspberrypi" ? raspberryPiBoot.files(input, firmware) : directBoot.files(input, firmware);
}

/** Checks boot files against the rules of the board's firmware; empty when all are kept. */
export function checkBootFiles(contents: BootContents, input: BootInput): RtkitError[] {
  const { firmware } = input.board;
  return firmware.family === "raspberrypi"
    ? raspberryPiBoot.check(contents, input, firmware)
    : directBoot.check(contents, input, firmware);
}
