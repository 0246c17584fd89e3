import { describe, expect, it } from "vitest";
import { configValue, parseConfigTxt } from "../../../src/image/boot/config-txt.ts";
import { compatibleOf } from "../../../src/image/boot/device-tree.ts";
import { initramfsCompressions } from "../../../src/image/boot/initramfs.ts";
import { cpio, deviceTree, zstdHead } from "./fixtures.ts";

describe("parseConfigTxt", () => {
  it("reads settings, the two that take no equals sign included", () => {
    const settings = parseConfigTxt(
      "# kernel=no\n[pi4]\nkernel=vmlinuz\n\ninitramfs initrd.img followkernel\nkernel = other\n",
    );
    expect(settings).toEqual([
      { key: "kernel", value: "vmlinuz", line: 3 },
      { key: "initramfs", value: "initrd.img followkernel", line: 5 },
      { key: "kernel", value: "other", line: 6 },
    ]);
    expect(configValue(settings, "kernel")).toBe("other");
    expect(configValue(settings, "cmdline")).toBeUndefined();
  });
});

describe("compatibleOf", () => {
  it("reads the root's compatible strings", () => {
    expect(compatibleOf(deviceTree(["raspberrypi,4-model-b", "brcm,bcm2711"]))).toEqual([
      "raspberrypi,4-model-b",
      "brcm,bcm2711",
    ]);
  });

  it("refuses what is cut off or something else", () => {
    expect(compatibleOf(deviceTree(["a"]).subarray(0, 60))).toBeUndefined();
    expect(compatibleOf(Buffer.from("d00dfeed"))).toBeUndefined();
  });
});

describe("initramfsCompressions", () => {
  it("walks uncompressed archives up to the compressed one", () => {
    expect(initramfsCompressions(cpio("a", "12345"))).toEqual([null]);
    expect(
      initramfsCompressions(Buffer.concat([cpio("a", "1"), Buffer.alloc(500), cpio("b", "22"), zstdHead])),
    ).toEqual([null, null, "CONFIG_RD_ZSTD"]);
    expect(initramfsCompressions(Buffer.from([0x1f, 0x8b, 8]))).toEqual(["CONFIG_RD_GZIP"]);
  });

  it("refuses what is empty, cut off, or something else", () => {
    expect(initramfsCompressions(Buffer.alloc(512))).toBeUndefined();
    expect(initramfsCompressions(cpio("a", "12345").subarray(0, 130))).toBeUndefined();
    expect(initramfsCompressions(Buffer.from("hello"))).toBeUndefined();
  });
});
