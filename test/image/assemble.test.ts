import { spawn } from "node:child_process";
import { once } from "node:events";
import { open, readFile, stat, utimes, writeFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeAll, describe, expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import type { Board } from "../../src/config/model.ts";
import { RtkitError } from "../../src/core/errors.ts";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { assemble, type AssembleOptions } from "../../src/image/assemble.ts";
import { BLOCK_SIZE } from "../../src/image/block-map.ts";
import { bootStep, planBoot } from "../../src/image/boot-step.ts";
import { parseBmap } from "../../src/image/bmap.ts";
import { dataContentSize, dataStep, type ReleaseTar } from "../../src/image/data-step.ts";
import { emptyStep, rootStep } from "../../src/image/ext4-step.ts";
import { inspectImage } from "../../src/image/inspect.ts";
import { kernelFromImage } from "../../src/image/kernel-from-image.ts";
import { layOut } from "../../src/image/layout.ts";
import type { PartitionImage } from "../../src/image/partition-image.ts";
import { inTurn } from "../../src/pipeline/builds.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";
import { arm64Image, cpio, deviceTree, zstdHead } from "./boot/fixtures.ts";
import { inScratch, node, rpi4, sixPartitions } from "./fixtures.ts";
import { contextIn, namesIn, realTools, releaseTar, rootTar, stepOutput, zeroPages } from "./tools-fixtures.ts";

let tools: Toolbox;

beforeAll(async () => {
  tools = await realTools();
}, 600_000);

const nodes = [node("imu", { policy: "fifo", priority: 40, cpus: [3] })];
const kernel = Buffer.concat([arm64Image(), zeroPages]);
const packageFiles = {
  "firmware/copyright": "licence",
  "firmware/fixup4.dat": "fixup",
  "firmware/start4.elf": "\x7fELF",
  "kernel/config": "CONFIG_RD_ZSTD=y\n",
  "kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb": deviceTree(["raspberrypi,4-model-b", "brcm,bcm2711"]),
  "kernel/initrd.img": Buffer.concat([cpio("early", "x"), zstdHead]),
  "kernel/vmlinuz": kernel,
};

/** Everything up to {@link assemble}, as a build does it. */
async function prepare(
  context: Context,
  dir: string,
  board: Board = rpi4,
  files: Parameters<typeof stepOutput>[1] = packageFiles,
): Promise<AssembleOptions> {
  const packages = await stepOutput(join(dir, "packages"), files);
  const release: ReleaseTar = await releaseTar(dir);
  const plan = planBoot({ name: "arm", board, nodes }, packages, null);
  const layout = layOut(board, plan.identity, {
    boot: plan.size,
    root: { bytes: 1024 ** 2, entries: 40 },
    data: dataContentSize(release, nodes.length),
  });
  const parts: PartitionImage[] = [];
  for (const partition of layout.partitions) {
    const steps: Readonly<Record<typeof partition.content, () => Step>> = {
      boot: () => bootStep({ tools, plan, partition }),
      root: () => rootStep({ tools, partition, tar: { digest: "root", open: async () => rootTar() } }),
      data: () => dataStep({ tools, partition, release }),
      empty: () => emptyStep({ tools, partition }),
    };
    parts.push({ partition, output: await runStep(context, steps[partition.content]()) });
  }
  return { tools, layout, parts, outDir: join(dir, "out"), name: "arm-rpi4" };
}

/** The same parts with another release. */
async function otherData(context: Context, dir: string, { parts }: AssembleOptions): Promise<PartitionImage[]> {
  const release = { ...(await releaseTar(dir)), id: "4567cdef", sha256: "changed" };
  return Promise.all(
    parts.map(async ({ partition, output }) => {
      if (partition.content !== "data") return { partition, output };
      return { partition, output: await runStep(context, dataStep({ tools, partition, release })) };
    }),
  );
}

/** The same of a kernel that was compiled for the board: it needs no initramfs. */
const { "kernel/initrd.img": _, ...withoutInitramfs } = packageFiles;
const compiledFiles = {
  ...withoutInitramfs,
  "kernel/config": "CONFIG_EXT4_FS=y\nCONFIG_DEVTMPFS_MOUNT=y\nCONFIG_MSDOS_PARTITION=y\n",
};

/** Builds in a folder and returns what identifies the result. */
async function sumsOf(dir: string): Promise<string> {
  const context = contextIn(join(dir, "cache"));
  const { image, bmap } = await assemble(context, await prepare(context, dir));
  return `${image.sha256} ${bmap.sha256}`;
}

describe("an assembled image", () => {
  it("is accepted by bmaptool, and shows what went in", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const { image, bmap, cached } = await assemble(context, await prepare(context, dir));
      expect(cached).toBe(false);
      expect(await namesIn(join(dir, "out"))).toEqual(["arm-rpi4.img", "arm-rpi4.img.bmap"]);
      expect({ size: (await stat(image.path)).size, sha256: await digestFile(image.path) }).toEqual({
        size: image.size,
        sha256: image.sha256,
      });
      expect(await digestFile(bmap.path)).toBe(bmap.sha256);
      const copy = join(dir, "copy.img");
      await exec("bmaptool", ["copy", "--bmap", bmap.path, image.path, copy], {
        installHint: "apt install bmap-tools",
      });
      expect(await digestFile(copy)).toBe(image.sha256);
      const inspection = await inspectImage(tools, image.path);
      expect(inspection.disk.partitions.map(({ filesystem }) => filesystem?.label)).toEqual(["BOOT", "root", "data"]);
      expect(inspection.boot.configTxt).toContain("kernel=vmlinuz\n");
      expect(inspection.system).toEqual({
        name: "Debian GNU/Linux 13 (trixie)",
        hostname: "arm",
        kernelReleases: ["6.12.0-rt-arm64"],
        packages: [{ name: "libc6", version: "2.41-12", architecture: "arm64" }],
        users: [
          { name: "root", uid: 0, shell: "/bin/bash" },
          { name: "robot", uid: 1000, shell: "/bin/bash" },
        ],
        enabledUnits: ["multi-user.target: rtnode.target"],
      });
      expect(inspection.release).toEqual({
        id: "0123abcd",
        nodes: [{ name: "imu", program: "imu.pyz", options: ["policy fifo", "priority 40"] }],
      });
      const extracted = await kernelFromImage(tools, image.path, join(dir, "kernel"));
      expect(await readFile(extracted.kernel)).toEqual(kernel);
      expect(await readFile(extracted.initramfs ?? "")).toEqual(packageFiles["kernel/initrd.img"]);
      expect(extracted.cmdline).toBe(inspection.boot.cmdline);
    });
  });

  it("of a kernel that needs no initramfs has none, and QEMU is given none", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const { image } = await assemble(context, await prepare(context, dir, rpi4, compiledFiles));
      expect(await kernelFromImage(tools, image.path, join(dir, "kernel"))).toMatchObject({
        kernel: join(dir, "kernel", "vmlinuz"),
        initramfs: null,
      });
    });
  });

  it.each(["mbr", "gpt"] as const)(
    "is whole on a card full of rubbish when only its mapped blocks are written (%s)",
    async (table) => {
      await inScratch(async (dir) => {
        const context = contextIn(join(dir, "cache"));
        const firmware = { family: "direct" as const };
        const board = { ...rpi4, partitionTable: table, partitions: sixPartitions, firmware };
        const options = await prepare(context, dir, board);
        const { image, bmap } = await assemble(context, options);
        const card = await writeMapped(image.path, bmap.path, join(dir, "card"));
        expect(await inspectImage(tools, card)).toMatchObject({ release: { id: "0123abcd" } });
        const dump = async (path: string): Promise<string> =>
          (await tools.run("sfdisk", ["--dump", path])).stdout.replaceAll(path, "");
        expect(await dump(card)).toBe(await dump(image.path));
        for (const { name, filesystem, start, size } of options.layout.partitions) {
          if (filesystem === "ext4") await tools.run("e2fsck", ["-fn", `${card}?offset=${start}`]);
          else {
            const file = join(dir, `${name}.img`);
            await exec("dd", [
              `if=${card}`,
              `of=${file}`,
              "bs=1M",
              "iflag=skip_bytes,count_bytes",
              `skip=${start}`,
              `count=${size}`,
            ]);
            await tools.run("fsck.fat", ["-n", file]);
          }
        }
        const root = options.layout.partitions.find(({ content }) => content === "root");
        const { stdout } = await tools.run("debugfs", ["-R", "cat /usr/lib/zeros", `${card}?offset=${root?.start}`]);
        expect(stdout).toBe(zeroPages.toString());
        expect(await readFile((await kernelFromImage(tools, card, join(dir, "kernel"))).kernel)).toEqual(kernel);
      });
    },
  );

  it("has the same bytes when it is built again elsewhere", async () => {
    await inScratch(async (a) =>
      inScratch(async (b) => {
        const first = await sumsOf(a);
        // FAT keeps times to two seconds.
        await new Promise((resolve) => setTimeout(resolve, 2100));
        expect(await sumsOf(b)).toBe(first);
      }),
    );
  });

  it("is kept while nobody touches it", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const options = await prepare(context, dir);
      const first = await assemble(context, options);
      expect(await assemble(context, options)).toEqual({ ...first, cached: true });
      await utimes(first.image.path, 1, 1);
      expect(await assemble(context, options)).toEqual(first);
      await writeFile(first.bmap.path, "changed");
      expect(await assemble(context, options)).toEqual(first);
      const [memo = ""] = await namesIn(join(dir, "cache", "assembled"));
      const path = join(dir, "cache", "assembled", memo);
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace(first.image.sha256, first.image.sha256.replace(/./, "x")));
      expect(await assemble(context, options)).toEqual(first);
    });
  });

  it("has the right digest when only its data partition changed", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const options = await prepare(context, dir);
      const first = await assemble(context, options);
      const parts = await otherData(context, dir, options);
      const second = await assemble(context, { ...options, parts });
      expect(second.image.sha256).not.toBe(first.image.sha256);
      expect(await digestFile(second.image.path)).toBe(second.image.sha256);
      const elsewhere = await assemble(contextIn(join(dir, "other cache")), { ...options, parts });
      expect(elsewhere).toEqual(second);
    });
  });

  it("is made again when what is remembered of it is damaged", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const options = await prepare(context, dir);
      const first = await assemble(context, options);
      const [memo = ""] = await namesIn(join(dir, "cache", "assembled"));
      const path = join(dir, "cache", "assembled", memo);
      const text = await readFile(path, "utf8");
      await writeFile(path, text.replace('"size":', '"size":1'));
      expect(await assemble(context, options)).toEqual(first);
      await writeFile(path, "");
      expect(await assemble(context, options)).toEqual(first);
    });
  });

  it("is a whole one whenever a build is killed, and what that one left is removed when it is old", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const options = await prepare(context, dir);
      const { image } = await assemble(context, options);
      const job = join(dir, "job.json");
      await writeFile(job, JSON.stringify({ ...options, tools: undefined }));
      for (const ms of [0, 20, 50, 100, 150, 200, 300, 400]) {
        const child = spawn(process.execPath, [join(import.meta.dirname, "assemble-forever.ts"), job]);
        const exit = once(child, "exit");
        await once(child.stdout, "data");
        await sleep(ms);
        child.kill("SIGKILL");
        await exit;
        expect(await digestFile(image.path)).toBe(image.sha256);
      }
      const left = (await namesIn(join(dir, "out"))).filter((name) => name.endsWith(".tmp"));
      expect(left).not.toEqual([]);
      const [recent = "", ...old] = left;
      for (const name of old) await utimes(join(dir, "out", name), 1, 1);
      await assemble(contextIn(join(dir, "other cache")), options);
      // It may be of a build that goes on and has another cache.
      expect(await namesIn(join(dir, "out"))).toEqual(["arm-rpi4.img", "arm-rpi4.img.bmap", recent].toSorted());
    });
  });

  it("belongs to its block map and to what is remembered of it when two builds end at the same time", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const first = await prepare(context, dir);
      const second = { ...first, parts: await otherData(context, dir, first) };
      for (let round = 0; round < 3; round += 1) {
        const made = await Promise.all(
          [first, second].map(async (options) =>
            inTurn(context, options.outDir, async () => assemble(context, options)),
          ),
        );
        expect(made.map(({ cached }) => cached)).toContain(false);
        const there = await digestFile(join(dir, "out", "arm-rpi4.img"));
        const last = made.findIndex(({ image }) => image.sha256 === there);
        expect(await digestFile(join(dir, "out", "arm-rpi4.img.bmap"))).toBe(made[last]?.bmap.sha256);
        const again = await assemble(context, last === 0 ? first : second);
        expect(again).toMatchObject({ cached: true, image: { sha256: there } });
        expect(await namesIn(join(dir, "out"))).toEqual(["arm-rpi4.img", "arm-rpi4.img.bmap"]);
      }
    });
  });

  it("leaves the last image and nothing else when it is interrupted", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const options = await prepare(context, dir);
      await writeFile(join((await assemble(context, options)).image.path), "the last one");
      const abort = new AbortController();
      // Ctrl-C comes once there is something half written.
      const run: Toolbox["run"] = async (...call) => {
        const result = await tools.run(...call);
        abort.abort(new Error("interrupted"));
        return result;
      };
      const running = assemble(contextIn(join(dir, "cache"), abort.signal), { ...options, tools: { ...tools, run } });
      await expect(running).rejects.toThrow("interrupted");
      expect(await namesIn(join(dir, "out"))).toEqual(["arm-rpi4.img", "arm-rpi4.img.bmap"]);
      expect(await readFile(join(dir, "out", "arm-rpi4.img"), "utf8")).toBe("the last one");
    });
  });
});

describe("a boot step", () => {
  it("fails with the firmware's rule that is broken", async () => {
    await inScratch(async (dir) => {
      const context = contextIn(join(dir, "cache"));
      const packages = await stepOutput(join(dir, "packages"), { ...packageFiles, "kernel/vmlinuz": "MZ\0\0zimg" });
      const plan = planBoot({ name: "arm", board: rpi4, nodes }, packages, null);
      const layout = layOut(rpi4, plan.identity, { boot: plan.size, root: plan.size, data: plan.size });
      const [partition] = layout.partitions;
      if (partition === undefined) throw new Error("no partition");
      const running = runStep(context, bootStep({ tools, plan, partition }));
      await expect(running).rejects.toMatchObject({ code: "RTK_BOOT_RULE" });
    });
  });
});

describe("inspectImage", () => {
  it("refuses what is no image of ours", async () => {
    await inScratch(async (dir) => {
      const refusal = async (path: string): Promise<string> => {
        try {
          await inspectImage(tools, path);
        } catch (error) {
          if (error instanceof RtkitError && error.code === "RTK_NOT_AN_IMAGE") {
            return error.message.slice(path.length + " is not an image of rtkit: ".length);
          }
          throw error;
        }
        return "accepted";
      };
      const file = join(dir, "file");
      await writeFile(file, "hello");
      expect(await refusal(file)).toBe("it has no partition table");
      expect(await refusal(dir)).toBe("it is no regular file");
      expect(await refusal(join(dir, "missing"))).toBe("there is no such file");
      const disk = join(dir, "disk");
      await writeFile(disk, Buffer.alloc(8 * 1024 ** 2));
      await tools.run("sfdisk", ["--quiet", disk], { input: "label: dos\nstart=2048, size=2048, type=83\n" });
      expect(await refusal(disk)).toBe("it has no FAT32 partition to boot from");
      await truncate(disk, 1024 ** 2);
      expect(await refusal(disk)).toBe("it is cut off: 1048576 bytes of at least 2097152");
      const gpt = join(dir, "gpt");
      await writeFile(gpt, Buffer.alloc(8 * 1024 ** 2));
      await tools.run("sfdisk", ["--quiet", gpt], { input: "label: gpt\nstart=2048, size=12000\n" });
      await truncate(gpt, 4 * 1024 ** 2);
      expect(await refusal(gpt)).toBe("its partition table is damaged, or it is cut off");
    });
  });
});

/** A card that held something else, after a writer that goes by the block map alone. */
async function writeMapped(image: string, bmap: string, card: string): Promise<string> {
  const { size, ranges } = parseBmap(await readFile(bmap, "utf8"));
  const rubbish = Buffer.alloc(1024 ** 2, 0xa5);
  const source = await open(image, "r");
  const target = await open(card, "w");
  for (let at = 0; at < size; at += rubbish.length)
    await target.write(rubbish, 0, Math.min(rubbish.length, size - at), at);
  for (const { first, last } of ranges) {
    const bytes = Buffer.alloc((last - first + 1) * BLOCK_SIZE);
    await source.read(bytes, 0, bytes.length, first * BLOCK_SIZE);
    await target.write(bytes, 0, bytes.length, first * BLOCK_SIZE);
  }
  await source.close();
  await target.close();
  return card;
}
