import type { Board, Firmware } from "../../config/model.ts";
import type { RtkitError } from "../../core/errors.ts";
import type { FileSource } from "../fat.ts";
import type { DiskIdentity } from "../identity.ts";

/** What the boot files are made from. */
export interface BootInput {
  readonly board: Board;
  readonly identity: DiskIdentity;
  /** The kernel command line, without line end. */
  readonly cmdline: string;
  /**
   * Files of the packages step by their path: `kernel/vmlinuz`, `kernel/initrd.img`, `kernel/config`,
   * `kernel/dtbs/<vendor>/<name>.dtb`, `firmware/<file>`.
   */
  readonly packages: PackageFiles;
}

/** A folder on the host, and the paths of the files in it. */
export interface PackageFiles {
  readonly dir: string;
  readonly paths: readonly string[];
}

/** Contents of boot files, and of the kernel's configuration, read for {@link FirmwareFamily.check}. */
export interface BootContents {
  /** By path in the boot partition. */
  readonly files: ReadonlyMap<string, Uint8Array>;
  /** The kernel's `.config`. */
  readonly kernelConfig: string;
}

/** How the boards of one firmware are started. */
export interface FirmwareFamily<F extends Firmware = Firmware> {
  /** The files of the boot partition, by their path in it. Pure. Throws RTK_BOOT_FILE when the packages lack one. */
  readonly files: (input: BootInput, firmware: F) => Map<string, FileSource>;
  /** What the firmware would not accept: one RTK_BOOT_RULE for each breach of its documented rules. Pure. */
  readonly check: (contents: BootContents, input: BootInput, firmware: F) => RtkitError[];
}
