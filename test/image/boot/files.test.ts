import { describe, expect, it } from "vitest";
import { RtkitError } from "../../../src/core/errors.ts";
import { bootFiles, checkBootFiles } from "../../../src/image/boot/files.ts";
import { rpi4 } from "../fixtures.ts";
import { bootInput, compiledInput, contentsOf, cpio, withFirmware } from "./fixtures.ts";

const direct = { ...rpi4, firmware: { family: "direct" as const } };

describe("bootFiles", () => {
  it("lists what a Raspberry Pi 4 starts from", () => {
    const input = bootInput();
    const files = bootFiles(input);
    expect([...files.keys()].toSorted()).toEqual([
      "LICENCE.broadcom",
      "bcm2711-rpi-4-b.dtb",
      "cmdline.txt",
      "config.txt",
      "fixup4.dat",
      "initrd.img",
      "overlays/disable-wifi.dtbo",
      "start4.elf",
      "vmlinuz",
    ]);
    expect(files.get("cmdline.txt")).toEqual({ text: `${input.cmdline}\n` });
    expect(files.get("bcm2711-rpi-4-b.dtb")).toEqual({
      file: "/cache/packages/kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb",
    });
  });

  it("writes config.txt with the board's own lines last", () => {
    expect(bootFiles(bootInput(withFirmware({ config: ["gpu_mem=32", "dtparam=i2c_arm=on"] }))).get("config.txt"))
      .toMatchInlineSnapshot(`
      {
        "text": "# Written by rtkit build.
      arm_64bit=1
      kernel=vmlinuz
      # This option takes no equals sign.
      initramfs initrd.img followkernel
      # Device trees have their mainline names; no downstream overlay is applied.
      upstream_kernel=1
      # Keeps the core clock, and so the serial console's rate, fixed.
      enable_uart=1
      disable_splash=1
      boot_delay=0
      # From the board file.
      gpu_mem=32
      dtparam=i2c_arm=on
      ",
      }
    `);
  });

  it("has no initramfs where the kernel was compiled for the board, and the overlays of that kernel", () => {
    const files = bootFiles(compiledInput());
    expect([...files.keys()]).not.toContain("initrd.img");
    expect([...files.keys()]).toContain("overlays/imx219.dtbo");
    expect(files.get("config.txt")).toMatchObject({ text: expect.not.stringContaining("initramfs") });
    expect([...bootFiles(compiledInput(direct)).keys()]).toEqual(["vmlinuz", "cmdline.txt"]);
  });

  it("lists three files for a loader outside the image", () => {
    expect([...bootFiles(bootInput(direct)).keys()]).toEqual(["vmlinuz", "initrd.img", "cmdline.txt"]);
  });

  it("names a file that the packages lack", () => {
    try {
      bootFiles(bootInput(withFirmware({ blobs: ["start9.elf"] })));
      expect.unreachable();
    } catch (error) {
      expect(error).toBeInstanceOf(RtkitError);
      expect(error).toMatchObject({
        code: "RTK_BOOT_FILE",
        message: "the board's packages have no firmware/start9.elf",
      });
    }
  });
});

describe("checkBootFiles without an initramfs", () => {
  const builtIn = "CONFIG_EXT4_FS=y\nCONFIG_DEVTMPFS_MOUNT=y\nCONFIG_MSDOS_PARTITION=y\n";

  it.each([rpi4, direct])("accepts a kernel that mounts the root file system by itself", (board) => {
    const input = compiledInput(board);
    expect(checkBootFiles({ ...contentsOf(input), kernelConfig: builtIn }, input)).toEqual([]);
  });

  it.each([rpi4, direct])("says what the kernel has not built in", (board) => {
    const input = compiledInput(board);
    const kernelConfig = builtIn.replace("EXT4_FS=y", "EXT4_FS=m");
    expect(checkBootFiles({ ...contentsOf(input), kernelConfig }, input)).toMatchObject([
      { code: "RTK_BOOT_RULE", message: "boot partition, kernel: CONFIG_EXT4_FS is not built in" },
    ]);
  });
});

describe("checkBootFiles for a loader outside the image", () => {
  it("accepts what bootFiles lists", () => {
    const input = bootInput(direct);
    expect(checkBootFiles(contentsOf(input), input)).toEqual([]);
  });

  it("finds a wrong root, a second line and an initramfs that the kernel cannot unpack", () => {
    const input = bootInput(direct);
    const xz = Buffer.concat([cpio("a", "b"), Buffer.from([0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00])]);
    const contents = contentsOf(input, { "cmdline.txt": "root=/dev/sda2\nrw\n", "initrd.img": xz });
    expect(checkBootFiles(contents, input).map(({ message }) => message)).toEqual([
      "boot partition, cmdline.txt: it is not one line",
      `boot partition, cmdline.txt: it says root=/dev/sda2, not root=PARTUUID=${input.identity.diskId}-02`,
      "boot partition, initrd.img: the kernel cannot unpack it: CONFIG_RD_XZ is not set",
    ]);
  });
});
