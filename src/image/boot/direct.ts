import type { Firmware } from "../../config/model.ts";
import { checkCmdline, checkRootAccess } from "./checks.ts";
import type { FirmwareFamily } from "./family.ts";
import { hasInitramfs, packageFile } from "./package-file.ts";

/** Names in a boot partition that a loader outside the image reads. */
export const DIRECT_FILES = { kernel: "vmlinuz", initramfs: "initrd.img", cmdline: "cmdline.txt" } as const;

/** A loader outside the image (QEMU's `-kernel`, `-initrd`, `-append`) is given what lies in the boot partition. */
export const directBoot: FirmwareFamily<Extract<Firmware, { family: "direct" }>> = {
  files: ({ packages, cmdline }) =>
    new Map([
      [DIRECT_FILES.kernel, packageFile(packages, "kernel/vmlinuz")],
      ...(hasInitramfs(packages)
        ? ([[DIRECT_FILES.initramfs, packageFile(packages, "kernel/initrd.img")]] as const)
        : []),
      [DIRECT_FILES.cmdline, { text: `${cmdline}\n` }],
    ]),
  check: (contents, input) => [
    ...checkCmdline(contents, DIRECT_FILES.cmdline, input),
    ...checkRootAccess(contents, hasInitramfs(input.packages) ? DIRECT_FILES.initramfs : null, input),
  ],
};
