import { open, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { pack } from "tar-stream";
import { beforeAll, describe, expect, it } from "vitest";
import type { Toolbox } from "../../src/core/toolbox.ts";
import type { Board } from "../../src/config/model.ts";
import { readExt4 } from "../../src/image/debugfs.ts";
import { ext4BlocksInUse, makeExt4, makeSparse, type Ext4Options } from "../../src/image/ext4.ts";
import { FIRST_BOOT_BYTES, FIRST_BOOT_FILE, firstBootFile } from "../../src/config/first-boot.ts";
import { findFatFile } from "../../src/flash/fat-file.ts";
import { imageSettings } from "../../src/flash/settings-patch.ts";
import { fatBlocksInUse, listFat, makeFat, readFatText, type FileSource } from "../../src/image/fat.ts";
import { diskIdentity } from "../../src/image/identity.ts";
import { layOut } from "../../src/image/layout.ts";
import { writePartitionTable } from "../../src/image/partition-table.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import { inScratch, rpi4, sixPartitions } from "./fixtures.ts";
import { longName, realTools, rootTar, zeroPages } from "./tools-fixtures.ts";

const MIB = 1024 ** 2;
const uuid = "00112233-4455-8677-8899-aabbccddeeff";
let tools: Toolbox;

beforeAll(async () => {
  tools = await realTools();
}, 600_000);

function ext4(file: string, changes: Partial<Ext4Options> = {}): Ext4Options {
  return { tar: rootTar(), file, size: 64 * MIB, label: "root", uuid, grow: false, ...changes };
}

describe("makeExt4", () => {
  it("keeps owners, modes, links, capabilities, devices and names, and passes e2fsck", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "root.img");
      await makeExt4(tools, ext4(file));
      await tools.run("e2fsck", ["-fn", file]);
      const stat = async (path: string): Promise<string> =>
        (await tools.run("debugfs", ["-R", `stat ${path}`, file])).stdout.replaceAll(/\s+/g, " ");
      expect(await stat("/usr/bin/sudo")).toMatch(/Type: regular Mode: 04755 .* User: 0 Group: 0 .* Links: 2 /);
      expect((await stat("/usr/bin/sudoedit")).split(" Type")[0]).toBe((await stat("/usr/bin/sudo")).split(" Type")[0]);
      expect(await stat("/home/robot/.profile")).toMatch(/Mode: 0600 .* User: 1000 Group: 1000 /);
      expect(await stat("/dev/null")).toMatch(
        /Type: character special Mode: 0666 .* Device major\/minor number: 01:03/,
      );
      expect(await stat("/usr/bin/ping")).toContain("security.capability (20) = 01 00 00 02 00 20 00 00");
      const root = readExt4(tools, file, 0);
      expect(await root.text(`/${longName}`)).toBe("long");
      expect(await root.link("/etc/os-release")).toBe("../usr/lib/os-release");
      expect(await root.text("/usr/lib/zeros")).toBe(zeroPages.toString());
      expect([await root.text("/nothing"), await root.link("/etc/hostname"), await root.list("/nothing")]).toEqual([
        null,
        null,
        [],
      ]);
    });
  });

  it("gives the same bytes again, in another folder", async () => {
    await inScratch(async (a) =>
      inScratch(async (b) => {
        await makeExt4(tools, ext4(join(a, "one.img")));
        // File systems keep whole seconds.
        await new Promise((resolve) => setTimeout(resolve, 1100));
        await makeExt4(tools, ext4(join(b, "two.img")));
        expect(await digestFile(join(b, "two.img"))).toBe(await digestFile(join(a, "one.img")));
      }),
    );
  });

  it("has all of a file that is in use in its blocks, and no free ones", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "data.img");
      await makeExt4(tools, ext4(file, { tar: null, grow: true }));
      await tools.run("e2fsck", ["-fn", file]);
      const { stdout } = await tools.run("dumpe2fs", ["-h", file]);
      const count = (name: string): number => Number(new RegExp(`^${name}: +(\\d+)$`, "m").exec(stdout)?.[1]);
      const used = (await ext4BlocksInUse(tools, file)).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      expect(used).toBe(count("Block count") - count("Free blocks"));
      expect(stdout).toMatch(/^Filesystem UUID: +00112233-4455-8677-8899-aabbccddeeff$/m);
    });
  });

  it("says so when the content does not fit", async () => {
    await inScratch(async (dir) => {
      for (const size of [32, 64]) {
        const failed = makeExt4(tools, ext4(join(dir, "x.img"), { tar: hugeTar(), size: size * MIB }));
        await expect(failed).rejects.toMatchObject({
          code: "RTK_IMAGE_TOO_SMALL",
          message: `the content of partition root does not fit into ${size} MiB`,
        });
      }
    });
  });

  it("fails with the reason of the tar that failed", async () => {
    await inScratch(async (dir) => {
      const broken = new Readable({ read: () => undefined });
      setImmediate(() => broken.destroy(new Error("layering failed")));
      await expect(makeExt4(tools, ext4(join(dir, "x.img"), { tar: broken }))).rejects.toThrow("layering failed");
    });
  });
});

describe("makeFat", () => {
  const files = new Map<string, FileSource>([
    ["config.txt", { text: "kernel=vmlinuz\n" }],
    ["bcm2711-rpi-4-b.dtb", { text: "tree" }],
    ["overlays/deep/disable-wifi.dtbo", { text: "overlay" }],
  ]);

  it("keeps long names and folders, passes fsck.fat, and gives the same bytes again", async () => {
    await inScratch(async (dir) => {
      const kernel = join(dir, "vmlinuz-source");
      await writeFile(kernel, zeroPages, { mode: 0o444 });
      const all = new Map([...files, ["vmlinuz", { file: kernel }] as const]);
      const make = async (name: string): Promise<string> => {
        const file = join(dir, name);
        await makeFat(tools, { file, size: 64 * MIB, label: "BOOT", serial: "0A1F-CAFE", files: all });
        return file;
      };
      const one = await make("one.img");
      const { stdout } = await tools.run("fsck.fat", ["-nv", one]);
      expect(stdout).toMatch(/32 bit entries/);
      expect(stdout).not.toMatch(/[Dd]irty/);
      expect(await listFat(tools, one, 0)).toEqual([
        "bcm2711-rpi-4-b.dtb",
        "config.txt",
        "overlays/deep/disable-wifi.dtbo",
        "vmlinuz",
      ]);
      expect(await readFatText(tools, one, 0, "overlays/deep/disable-wifi.dtbo")).toBe("overlay");
      await new Promise((resolve) => setTimeout(resolve, 2100));
      expect(await digestFile(await make("two.img"))).toBe(await digestFile(one));
    });
  });

  it("writes one file first, whole and at the beginning, where a flash finds it", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "first.img");
      const text = firstBootFile({ hostname: "arm", takes: ["hostname"] });
      const all = new Map<string, FileSource>([...files, [FIRST_BOOT_FILE, { text }]]);
      const size = 256 * MIB;
      await makeFat(tools, { file, size, label: "BOOT", serial: "0A1F-CAFE", files: all, first: FIRST_BOOT_FILE });
      const head = Buffer.alloc(4 * MIB);
      const image = await open(file, "r");
      await image.read(head, 0, head.length, 0);
      await image.close();
      const found = findFatFile(head, FIRST_BOOT_FILE);
      expect("ranges" in found && found.ranges.map(({ length }) => length)).toEqual([FIRST_BOOT_BYTES]);
      expect(imageSettings(head)).toEqual({ hostname: "arm", takes: ["hostname"] });
    });
  });

  it("counts clusters of zeros as in use, and nothing that is free", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "boot.img");
      const zeros = new Map<string, FileSource>([["zeros", { text: "\0".repeat(4 * MIB) }]]);
      await makeFat(tools, { file, size: 64 * MIB, label: "BOOT", serial: "0A1F-CAFE", files: zeros });
      const blocks = (await fatBlocksInUse(file)).reduce((sum, { first, last }) => sum + last - first + 1, 0);
      expect(blocks * 4096).toBeGreaterThan(4 * MIB);
      expect(blocks * 4096).toBeLessThan(6 * MIB);
      await makeSparse(file, MIB);
      await expect(fatBlocksInUse(file)).rejects.toThrow("no FAT32");
    });
  });
});

/** What sfdisk says of the table it wrote for a board. */
async function dump(board: Board): Promise<string> {
  return inScratch(async (dir) => {
    const nothing = { bytes: 0, entries: 1 };
    const layout = layOut(board, diskIdentity("arm", board), { boot: nothing, root: nothing, data: nothing });
    const file = join(dir, "disk.img");
    await makeSparse(file, layout.size);
    await writePartitionTable(tools, file, layout);
    await tools.run("sfdisk", ["--verify", "--quiet", file]);
    return (await tools.run("sfdisk", ["--dump", file])).stdout.replaceAll(file, "disk");
  });
}

describe("writePartitionTable", () => {
  it("writes an MBR", async () => {
    expect(await dump(rpi4)).toMatchInlineSnapshot(`
      "label: dos
      label-id: 0x9e61a4f8
      device: disk
      unit: sectors
      sector-size: 512

      disk1 : start=        8192, size=       98304, type=c, bootable
      disk2 : start=      106496, size=       90112, type=83
      disk3 : start=      196608, size=       98304, type=83
      "
    `);
  });

  it("writes an MBR with logical partitions", async () => {
    expect(await dump({ ...rpi4, partitions: sixPartitions })).toMatchInlineSnapshot(`
      "label: dos
      label-id: 0xe4965aea
      device: disk
      unit: sectors
      sector-size: 512

      disk1 : start=        8192, size=       98304, type=c, bootable
      disk2 : start=      106496, size=       98304, type=c
      disk3 : start=      204800, size=       98304, type=83
      disk4 : start=      303104, size=      319488, type=5
      disk5 : start=      311296, size=       98304, type=83
      disk6 : start=      417792, size=       98304, type=83
      disk7 : start=      524288, size=       98304, type=83
      "
    `);
  });

  it("writes a GPT", async () => {
    expect(await dump({ ...rpi4, partitionTable: "gpt" })).toMatchInlineSnapshot(`
      "label: gpt
      label-id: 9E61A4F8-CC21-8C0C-A049-6E98065F2D55
      device: disk
      unit: sectors
      first-lba: 2048
      last-lba: 303070
      sector-size: 512

      disk1 : start=        8192, size=       98304, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=8ACA93FA-E336-8A62-9839-30D72F3ECD30, name="BOOT"
      disk2 : start=      106496, size=       90112, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=92DC62F5-F137-85CA-97DC-32F2B19D1E5F, name="root"
      disk3 : start=      196608, size=       98304, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=F3A0069E-58FF-8B92-B306-824C964A3692, name="data"
      "
    `);
  });
});

function hugeTar(): Readable {
  const tar = pack();
  tar.entry({ name: "huge" }, Buffer.alloc(60 * MIB, 1));
  tar.finalize();
  return Readable.from(tar);
}
