import type { Board, Firmware } from "../../../src/config/model.ts";
import type { BootContents, BootInput } from "../../../src/image/boot/family.ts";
import { bootFiles } from "../../../src/image/boot/files.ts";
import { kernelCmdline } from "../../../src/image/boot/cmdline.ts";
import { diskIdentity } from "../../../src/image/identity.ts";
import { rpi4 } from "../fixtures.ts";

/** What the packages step has for a Raspberry Pi 4. */
export const packagePaths = [
  "firmware/LICENCE.broadcom",
  "firmware/bootcode.bin",
  "firmware/fixup4.dat",
  "firmware/overlays/disable-wifi.dtbo",
  "firmware/start4.elf",
  "kernel/config",
  "kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb",
  "kernel/initrd.img",
  "kernel/vmlinuz",
];

/** A board's boot input with CPU 3 isolated. */
export function bootInput(board: Board = rpi4): BootInput {
  const identity = diskIdentity("arm", board);
  const cmdline = kernelCmdline(board, identity, [3]);
  return { board, identity, cmdline, packages: { dir: "/cache/packages", paths: packagePaths } };
}

/** The same of a kernel that was compiled: it has no initramfs, and its own overlays. */
export function compiledInput(board: Board = rpi4): BootInput {
  const input = bootInput(board);
  const paths = [...packagePaths.filter((path) => path !== "kernel/initrd.img"), "kernel/overlays/imx219.dtbo"];
  return { ...input, packages: { ...input.packages, paths } };
}

/** rpi4 with other firmware options. */
export function withFirmware(changes: Partial<Extract<Firmware, { family: "raspberrypi" }>>): Board {
  if (rpi4.firmware.family !== "raspberrypi") throw new Error("rpi4 is a Raspberry Pi");
  return { ...rpi4, firmware: { ...rpi4.firmware, ...changes } };
}

/** Contents that a Raspberry Pi 4 starts from; `changes` replaces some, null removes one. */
export function contentsOf(
  input: BootInput,
  changes: Readonly<Record<string, Uint8Array | string | null>> = {},
): BootContents {
  const files = new Map<string, Uint8Array>();
  for (const [path, source] of bootFiles(input)) {
    files.set(path, "text" in source ? Buffer.from(source.text) : sample(path));
  }
  for (const [path, content] of Object.entries(changes)) {
    if (content === null) files.delete(path);
    else files.set(path, Buffer.from(content));
  }
  return { files, kernelConfig: "CONFIG_RD_GZIP=y\nCONFIG_RD_ZSTD=y\n# CONFIG_RD_XZ is not set\n" };
}

/** The head of an arm64 Image: "ARM\x64" at 0x38. */
export function arm64Image(): Buffer {
  const image = Buffer.alloc(64);
  image.write("MZ", 0);
  image.write("ARMd", 0x38);
  return image;
}

/** A flattened device tree whose root has one property. */
export function deviceTree(compatible: readonly string[], children: readonly string[] = []): Buffer {
  const value = Buffer.from(`${compatible.join("\0")}\0`);
  const nodes = children.map((name) => Buffer.concat([words(1), pad4(Buffer.from(`${name}\0`)), words(2)]));
  const property = [words(3, value.length, 0), pad4(value)];
  const structure = Buffer.concat([words(1), words(0), ...property, ...nodes, words(2), words(9)]);
  const strings = Buffer.from("compatible\0");
  const start = 40;
  const header = words(
    0xd00dfeed,
    start + structure.length + strings.length,
    start,
    start + structure.length,
    0,
    17,
    16,
    0,
  );
  return Buffer.concat([header, words(strings.length, structure.length), structure, strings]);
}

/** A "newc" cpio archive with one file, and its trailer. */
export function cpio(name: string, content: string): Buffer {
  return Buffer.concat([cpioEntry(name, content), cpioEntry("TRAILER!!!", "")]);
}

/** The first bytes of a zstd frame. */
export const zstdHead = Buffer.from([0x28, 0xb5, 0x2f, 0xfd, 0x04]);

function sample(path: string): Uint8Array {
  if (path === "vmlinuz") return arm64Image();
  if (path === "initrd.img") return Buffer.concat([cpio("early", "microcode"), zstdHead]);
  if (path.endsWith(".dtb")) return deviceTree(["raspberrypi,4-model-b", "brcm,bcm2711"]);
  if (path.endsWith(".elf")) return Buffer.from("\x7fELF");
  return Buffer.from(path);
}

function cpioEntry(name: string, content: string): Buffer {
  const fields = [1, 0o100644, 0, 0, 1, 0, content.length, 0, 0, 0, 0, name.length + 1, 0];
  const header = `070701${fields.map((field) => field.toString(16).padStart(8, "0")).join("")}${name}\0`;
  return Buffer.concat([pad4(Buffer.from(header)), pad4(Buffer.from(content))]);
}

function words(...values: readonly number[]): Buffer {
  const buffer = Buffer.alloc(values.length * 4);
  for (const [index, value] of values.entries()) buffer.writeUInt32BE(value, index * 4);
  return buffer;
}

function pad4(buffer: Buffer): Buffer {
  return Buffer.concat([buffer, Buffer.alloc((4 - (buffer.length % 4)) % 4)]);
}
