import { posix } from "node:path";
import type { Firmware } from "../../config/model.ts";
import type { FileSource } from "../fat.ts";
import type { BootInput, FirmwareFamily } from "./family.ts";
import { hasInitramfs, packageFile } from "./package-file.ts";
import { checkRaspberryPi } from "./raspberrypi-check.ts";

type RaspberryPi = Extract<Firmware, { family: "raspberrypi" }>;

/** Raspberry Pi's GPU firmware, as Debian's raspi-firmware sets it up for a mainline kernel (z50-raspi-firmware). */
export const raspberryPiBoot: FirmwareFamily<RaspberryPi> = { files: raspberryPiFiles, check: checkRaspberryPi };

/** Folder of device tree overlays: the firmware's default `overlay_prefix`. */
const OVERLAYS = "overlays/";

const KERNEL_OVERLAYS = "kernel/overlays/";

/** The text of config.txt: https://www.raspberrypi.com/documentation/computers/config_txt.html. */
export function configTxt(firmware: RaspberryPi, initramfs: boolean): string {
  const lines = [
    "# Written by rtkit build.",
    "arm_64bit=1",
    "kernel=vmlinuz",
    ...(initramfs ? ["# This option takes no equals sign.", "initramfs initrd.img followkernel"] : []),
    "# Device trees have their mainline names; no downstream overlay is applied.",
    "upstream_kernel=1",
    "# Keeps the core clock, and so the serial console's rate, fixed.",
    "enable_uart=1",
    "disable_splash=1",
    "boot_delay=0",
    ...(firmware.config.length === 0 ? [] : ["# From the board file.", ...firmware.config]),
  ];
  return `${lines.join("\n")}\n`;
}

function raspberryPiFiles({ packages, cmdline }: BootInput, firmware: RaspberryPi): Map<string, FileSource> {
  const files = new Map<string, FileSource>([
    ["config.txt", { text: configTxt(firmware, hasInitramfs(packages)) }],
    ["cmdline.txt", { text: `${cmdline}\n` }],
    ["vmlinuz", packageFile(packages, "kernel/vmlinuz")],
  ]);
  if (hasInitramfs(packages)) files.set("initrd.img", packageFile(packages, "kernel/initrd.img"));
  // The firmware picks the device tree of the model it runs on from the top folder by name.
  for (const tree of firmware.deviceTrees) {
    files.set(posix.basename(tree), packageFile(packages, `kernel/dtbs/${tree}`));
  }
  for (const blob of firmware.blobs) files.set(blob, packageFile(packages, `firmware/${blob}`));
  for (const path of packages.paths) {
    const name = path.startsWith("firmware/") ? path.slice("firmware/".length) : "";
    // The blobs' licence allows copies that carry it along.
    if (name.startsWith(OVERLAYS) || /^(LICEN[CS]E|copyright)/.test(name)) files.set(name, packageFile(packages, path));
  }
  // A kernel that is compiled brings the overlays that fit its device trees.
  for (const path of packages.paths) {
    if (path.startsWith(KERNEL_OVERLAYS)) files.set(OVERLAYS + posix.basename(path), packageFile(packages, path));
  }
  return files;
}
