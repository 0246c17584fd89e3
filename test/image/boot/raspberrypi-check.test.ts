import { gzipSync } from "node:zlib";
import { describe, expect, it } from "vitest";
import type { Board } from "../../../src/config/model.ts";
import { checkBootFiles } from "../../../src/image/boot/files.ts";
import { rpi4 } from "../fixtures.ts";
import { arm64Image, bootInput, contentsOf, deviceTree, withFirmware } from "./fixtures.ts";

type Changes = Readonly<Record<string, Uint8Array | string | null>>;

/** What the firmware would not accept, without the common start of the messages. */
function problems(changes: Changes, board: Board = rpi4): string[] {
  const input = bootInput(board);
  const errors = checkBootFiles(contentsOf(input, changes), input);
  expect(errors.every(({ code }) => code === "RTK_BOOT_RULE")).toBe(true);
  return errors.map(({ message }) => message.replace("boot partition, ", ""));
}

const zboot = Buffer.concat([Buffer.from("MZ\0\0zimg"), Buffer.alloc(64)]);

describe("a Raspberry Pi's boot partition", () => {
  it("is accepted as it is built", () => {
    expect(problems({})).toEqual([]);
    expect(problems({ vmlinuz: gzipSync(Buffer.concat([arm64Image(), Buffer.alloc(200_000, 7)])) })).toEqual([]);
  });

  const breaches: readonly (readonly [string, Changes, readonly string[]])[] = [
    ["an EFI zboot kernel", { vmlinuz: zboot }, ["vmlinuz: it is an EFI zboot image, which the firmware cannot start"]],
    ["another kernel", { vmlinuz: "bzImage" }, ["vmlinuz: it is no arm64 kernel"]],
    ["a broken gzip", { vmlinuz: Buffer.from([0x1f, 0x8b, 1, 2, 3]) }, ["vmlinuz: it is no arm64 kernel"]],
    ["no config.txt", { "config.txt": null }, ["config.txt: it is missing"]],
    [
      "half of the firmware",
      { "fixup4.dat": null },
      ["fixup4.dat: it is missing", "start4.elf: its other half fixup4.dat is missing"],
    ],
    ["firmware that is none", { "start4.elf": "<html>" }, ["start4.elf: it is no ELF file"]],
    ["no device tree", { "bcm2711-rpi-4-b.dtb": null }, ["bcm2711-rpi-4-b.dtb: it is missing"]],
    ["a broken device tree", { "bcm2711-rpi-4-b.dtb": "dtb" }, ["bcm2711-rpi-4-b.dtb: it is no device tree"]],
    [
      "another board's device tree",
      { "bcm2711-rpi-4-b.dtb": deviceTree(["raspberrypi,3-model-b", "brcm,bcm2837"]) },
      ["bcm2711-rpi-4-b.dtb: it is for raspberrypi,3-model-b, brcm,bcm2837, not for a Raspberry Pi with brcm,bcm2711"],
    ],
    ["no command line", { "cmdline.txt": null }, ["cmdline.txt: it is missing"]],
    ["no initramfs", { "initrd.img": null }, ["config.txt:5: initrd.img is missing", "initrd.img: it is missing"]],
    ["an initramfs that is none", { "initrd.img": "hello" }, ["initrd.img: it is no initramfs"]],
    ["no kernel", { vmlinuz: null }, ["config.txt:3: vmlinuz is missing"]],
  ];
  it.each(breaches)("is refused with %s", (_, changes, expected) => {
    expect(problems(changes)).toEqual(expected);
  });

  it("is refused when config.txt asks for what is not there", () => {
    const board = withFirmware({
      config: ["dtoverlay=disable-wifi", "dtoverlay=spi9,cs=1", "armstub=stub.bin", `dtparam=${"x".repeat(91)}`],
    });
    expect(problems({}, board)).toEqual([
      "config.txt:16: the line has 99 characters, the firmware reads 98",
      "config.txt:14: overlays/spi9.dtbo is missing",
      "config.txt:15: stub.bin is missing",
    ]);
  });

  it("is refused when config.txt sets parameters that no device tree has; an overlay's are its own", () => {
    const board = withFirmware({ config: ["dtparam=spi=on", "dtoverlay=disable-wifi", "dtparam=a=1", "dtoverlay="] });
    const wrong = ["config.txt:13: dtparam=spi=on changes nothing: the kernel's device trees have no parameters"];
    expect(problems({}, board)).toEqual(wrong);
    const tree = deviceTree(["raspberrypi,4-model-b", "brcm,bcm2711"], ["__overrides__"]);
    expect(problems({ "bcm2711-rpi-4-b.dtb": tree }, board)).toEqual([]);
  });

  it("is refused when config.txt names a kernel by default only", () => {
    expect(problems({ "config.txt": "initramfs initrd.img followkernel\n" })).toEqual(["kernel8.img: it is missing"]);
    expect(problems({ "config.txt": "kernel=vmlinuz\ninitramfs initrd.img followkernel\n" })).toEqual([
      "config.txt: arm_64bit=1 is missing",
    ]);
  });

  it("is refused on a table or a first partition that the boot ROM does not read", () => {
    expect(problems({}, { ...rpi4, partitionTable: "gpt" })).toEqual(["partition table: it is a GPT"]);
    const [boot, ...others] = rpi4.partitions;
    const partitions = boot === undefined ? others : [...others, boot];
    expect(problems({}, { ...rpi4, partitions })).toEqual([
      "partition table: the first partition is not the FAT one to boot from",
    ]);
  });
});
