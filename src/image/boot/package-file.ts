import { join } from "node:path";
import { RtkitError } from "../../core/errors.ts";
import type { FileSource } from "../fat.ts";
import type { PackageFiles } from "./family.ts";

/** Whether the kernel comes with an initramfs: one that is made for the board does not need it. */
export function hasInitramfs({ paths }: PackageFiles): boolean {
  return paths.includes("kernel/initrd.img");
}

/** A file of the packages step as the source of a boot file. Throws RTK_BOOT_FILE when there is none. */
export function packageFile(packages: PackageFiles, path: string): FileSource {
  if (!packages.paths.includes(path)) {
    throw new RtkitError("RTK_BOOT_FILE", `the board's packages have no ${path}`, {
      hint: "check the board file: its packages, deviceTrees and blobs",
    });
  }
  return { file: join(packages.dir, path) };
}
