import { describe, expect, it } from "vitest";
import { parseListing } from "../../src/image/debugfs.ts";
import { fileSystemHeader } from "../../src/image/disk-image.ts";
import { renderInspection } from "../../src/image/inspect-render.ts";

it("parseListing reads names from debugfs, special ones included", () => {
  const printed = "/2/040755/0/0/.//\n/2/040755/0/0/..//\n/19/120777/0/0/current/73/\n/13/040755/0/0/a b//\n";
  expect(parseListing(printed)).toEqual(["a b", "current"]);
});

describe("fileSystemHeader", () => {
  it("reads kind and names", () => {
    const ext4 = Buffer.alloc(4096);
    ext4.writeUInt16LE(0xef53, 1024 + 0x38);
    ext4.write("00112233445566778899aabbccddeeff", 1024 + 0x68, "hex");
    ext4.write("data", 1024 + 0x78);
    expect(fileSystemHeader(ext4)).toEqual({
      type: "ext4",
      label: "data",
      uuid: "00112233-4455-6677-8899-aabbccddeeff",
    });
    const fat = Buffer.alloc(4096);
    fat.writeUInt32LE(0x0a1fcafe, 67);
    fat.write("BOOT       FAT32   ", 71);
    expect(fileSystemHeader(fat)).toEqual({ type: "fat32", label: "BOOT", uuid: "0A1F-CAFE" });
    expect(fileSystemHeader(Buffer.alloc(4096))).toBeNull();
  });
});

it("renderInspection shows an image as aligned text", () => {
  const partition = { start: 4 * 1024 ** 2, type: "c", partUuid: "12345678-01" };
  const text = renderInspection({
    disk: {
      path: "arm-rpi4.img",
      size: 1024 ** 3,
      label: "dos",
      id: "0x12345678",
      partitions: [
        {
          ...partition,
          number: 1,
          size: 128 * 1024 ** 2,
          filesystem: { type: "fat32", label: "BOOT", uuid: "0A1F-CAFE" },
        },
        { ...partition, number: 2, size: 64 * 1024 ** 2, filesystem: null },
      ],
    },
    boot: { files: ["config.txt", "vmlinuz"], cmdline: "root=PARTUUID=12345678-02", configTxt: "# x\narm_64bit=1\n" },
    system: {
      name: "Debian GNU/Linux 13 (trixie)",
      hostname: "arm",
      kernelReleases: ["6.12.0-rt-arm64"],
      packages: [{ name: "libc6", version: "2.41-12", architecture: "arm64" }],
      users: [
        { name: "root", uid: 0, shell: "/bin/bash" },
        { name: "robot", uid: 1000, shell: "/bin/bash" },
      ],
      enabledUnits: ["multi-user.target: rtnode.target"],
    },
    release: {
      id: "0123abcd",
      nodes: [{ name: "imu", program: "imu.pyz", options: ["policy fifo", "priority 40"] }],
    },
  });
  expect(text).toMatchInlineSnapshot(`
    "Image
      arm-rpi4.img  1.0 GiB  MBR 0x12345678
      1  at 4.0 MiB  128 MiB  fat32  BOOT  0A1F-CAFE  PARTUUID 12345678-01
      2  at 4.0 MiB  64 MiB   ?                       PARTUUID 12345678-01
    Boot
      command line: root=PARTUUID=12345678-02
      files: config.txt vmlinuz
      config.txt:
        arm_64bit=1
    System
      Debian GNU/Linux 13 (trixie), host name arm
      kernel 6.12.0-rt-arm64
      1 packages
      users: robot
      units: multi-user.target: rtnode.target
    Release
      0123abcd
      imu.pyz  policy fifo  priority 40
    "
  `);
});
