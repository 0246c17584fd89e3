import { execa } from "execa";
import { openSync } from "node:fs";
import { mkdir, readFile, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { gzipSync, zstdCompressSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { Buffers } from "../../src/flash/buffers.ts";
import type { Extent } from "../../src/flash/extents.ts";
import type { ImageSource } from "../../src/flash/image.ts";
import { openImage } from "../../src/flash/open-image.ts";
import { scratchDir } from "../scratch.ts";
import { noise, sha256, testImage, type TestImage } from "./disks.ts";

const { signal } = new AbortController();

const open = async (path: string, sum?: string, stdin = 0): Promise<ImageSource> =>
  openImage({ path, ...(sum === undefined ? {} : { sha256: sum }), stdin, signal });

/** What comes of an image, at its places in a buffer of its size. */
async function read(
  source: ImageSource,
  extents: readonly Extent[] = [{ offset: 0, length: Infinity }],
): Promise<Buffer> {
  const buffers = new Buffers(2);
  const pieces: { offset: number; bytes: Buffer }[] = [];
  try {
    for await (const { offset, bytes, buffer } of source.pieces(extents, buffers)) {
      pieces.push({ offset, bytes: Buffer.from(bytes) });
      buffers.give(buffer);
    }
  } finally {
    await source.close();
  }
  const last = pieces.at(-1);
  const all = Buffer.alloc(last === undefined ? 0 : last.offset + last.bytes.length);
  for (const { offset, bytes } of pieces) bytes.copy(all, offset);
  return all;
}

describe("an image", () => {
  let image: TestImage;
  const packed: Record<string, string> = {};
  beforeAll(async () => {
    image = testImage();
    const dir = dirname(image.path);
    packed["plain"] = image.path;
    // Names say nothing: what a file is stands in its first bytes.
    packed["gzip"] = join(dir, "gzip");
    await writeFile(packed["gzip"], gzipSync(image.bytes, { level: 1 }));
    packed["gzip in two members"] = join(dir, "gzip2");
    await writeFile(
      packed["gzip in two members"],
      Buffer.concat(
        [image.bytes.subarray(0, 5_000_001), image.bytes.subarray(5_000_001)].map((part) => gzipSync(part)),
      ),
    );
    packed["zstd"] = join(dir, "zstd");
    await writeFile(packed["zstd"], zstdCompressSync(image.bytes));
    packed["zstd in two frames"] = join(dir, "zstd2");
    await writeFile(
      packed["zstd in two frames"],
      Buffer.concat(
        [image.bytes.subarray(0, 5_000_001), image.bytes.subarray(5_000_001)].map((part) => zstdCompressSync(part)),
      ),
    );
    for (const program of ["xz", "bzip2"]) {
      packed[program] = join(dir, program);
      const { stdout } = await execa(program, ["-1", "--stdout", image.path], { encoding: "buffer" });
      await writeFile(packed[program], stdout);
    }
    await mkdir(join(dir, "zip"));
    await writeFile(join(dir, "zip", "README"), "not the image");
    await writeFile(join(dir, "zip", "robot.img"), image.bytes);
    packed["zip"] = join(dir, "archive");
    await execa("python3", [
      "-m",
      "zipfile",
      "-c",
      packed["zip"],
      join(dir, "zip", "README"),
      join(dir, "zip", "robot.img"),
    ]);
  });

  for (const kind of ["plain", "gzip", "gzip in two members", "zstd", "zstd in two frames", "xz", "bzip2", "zip"]) {
    describe(`that is ${kind}`, () => {
      const path = (): string => packed[kind] ?? "";

      it("comes whole", async () => {
        const source = await open(path());
        if (["plain", "xz", "zip"].includes(kind)) expect(source.size).toBe(image.bytes.length);
        expect((await read(source)).equals(image.bytes)).toBe(true);
        expect(source.progress()).toBe(1);
      });

      it("comes in the parts that its block map names, after its head was looked at", async () => {
        const source = await open(path());
        expect((await source.head(2_000_000)).equals(image.bytes.subarray(0, 2_000_000))).toBe(true);
        const all = await read(source, image.map.ranges);
        for (const { offset, length, sha256: sum } of image.map.ranges) {
          expect(sha256(all.subarray(offset, offset + length))).toBe(sum);
        }
      });

      it("is checked against a sha256 of the file, or of the image in it", async () => {
        for (const sum of [sha256(await readFile(path())), sha256(image.bytes).toUpperCase()]) {
          expect((await read(await open(path(), sum))).equals(image.bytes)).toBe(true);
        }
        await expect(read(await open(path(), sha256(Buffer.from("other"))))).rejects.toMatchObject({
          code: "RTK_FLASH_CHECKSUM",
        });
      });

      it("is refused when it ends early", async () => {
        const half = `${path()}.half`;
        await writeFile(half, await readFile(path()));
        await truncate(half, Math.floor((await readFile(path())).length / 2));
        const reading = open(half).then(async (source) => read(source, image.map.ranges));
        await expect(reading).rejects.toMatchObject({ code: "RTK_FLASH_DAMAGED" });
      });

      it(kind === "zip" ? "does not come through a pipe" : "comes through a pipe", async () => {
        const piped = open("-", undefined, openSync(path(), "r"));
        if (kind === "zip") {
          await expect(piped).rejects.toMatchObject({
            code: "RTK_FLASH_IMAGE",
            hint: expect.stringContaining("name the file"),
          });
          return;
        }
        const source = await piped;
        expect((await read(source)).equals(image.bytes)).toBe(true);
      });
    });
  }

  it("is refused where something in it was changed, as its decompressor finds", async () => {
    for (const kind of ["gzip", "zstd", "xz", "bzip2", "zip"]) {
      const bytes = await readFile(packed[kind] ?? "");
      noise(64, 7).copy(bytes, Math.floor(bytes.length / 2));
      const path = `${packed[kind] ?? ""}.changed`;
      await writeFile(path, bytes);
      await expect(open(path).then(read), kind).rejects.toMatchObject({ code: "RTK_FLASH_DAMAGED" });
    }
  });

  it("is not waited for when nobody writes to its pipe any more", async () => {
    const pipe = join(scratchDir("rtkit-fifo-"), "pipe");
    await execa("mkfifo", [pipe]);
    const abort = new AbortController();
    const opening = openImage({ path: pipe, stdin: 0, signal: abort.signal });
    setTimeout(() => abort.abort(new Error("interrupted")), 200);
    await expect(opening).rejects.toThrow("interrupted");
  });

  it("is one file that can be read", async () => {
    const dir = scratchDir("rtkit-source-");
    const code = { code: "RTK_FLASH_IMAGE", exitStatus: 2 };
    await expect(open(join(dir, "nothing"))).rejects.toMatchObject({
      ...code,
      message: expect.stringContaining("does not exist"),
    });
    await expect(open(dir)).rejects.toMatchObject({ ...code, message: expect.stringContaining("is a folder") });
    await writeFile(join(dir, "empty"), "");
    await expect(open(join(dir, "empty"))).rejects.toMatchObject({
      ...code,
      message: expect.stringContaining("is empty"),
    });
    await writeFile(join(dir, "a.img"), "a");
    await writeFile(join(dir, "b.img"), "b");
    await execa("python3", ["-m", "zipfile", "-c", join(dir, "two.zip"), join(dir, "a.img"), join(dir, "b.img")]);
    await expect(open(join(dir, "two.zip"))).rejects.toMatchObject({
      ...code,
      message: expect.stringContaining("2 files"),
    });
  });
});
