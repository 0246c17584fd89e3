import { createHash } from "node:crypto";
import { mkdtemp, open, readdir, readFile, truncate } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_SIZE, type BlockSpan } from "../../src/image/block-map.ts";
import { makeSparse } from "../../src/image/ext4.ts";
import { contentSpans, packBlocks, readBlocks } from "../../src/image/map-file.ts";
import { inScratch } from "./fixtures.ts";

async function sparseFile(path: string, blocks: number, filled: readonly number[]): Promise<void> {
  await makeSparse(path, blocks * BLOCK_SIZE);
  const file = await open(path, "r+");
  for (const block of filled)
    await file.write(Buffer.from([block % 255, 1]), 0, 2, block * BLOCK_SIZE + (block % 4000));
  await file.close();
}

describe("packBlocks", () => {
  it("keeps what is in use, one range after the other, and sums each range", async () => {
    await inScratch(async (dir) => {
      const blocks = 3000;
      const used = fc.nat(blocks - 10).map((first): BlockSpan => ({ first, last: first + 3 }));
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.nat(blocks - 1)),
          fc.array(used, { maxLength: 20 }),
          async (filled, inUse) => {
            const folder = await mkdtemp(join(dir, "step-"));
            const image = join(folder, "root.img");
            await sparseFile(image, blocks, filled);
            const content = await readFile(image);
            await packBlocks(image, inUse);
            expect((await readdir(folder)).toSorted()).toEqual(["blocks", "map.json"]);
            const { file, map } = await readBlocks(folder);
            expect(map.size).toBe(content.length);
            const covered = (block: number): boolean =>
              map.ranges.some(({ first, last }) => first <= block && block <= last);
            expect(inUse.filter(({ first, last }) => !covered(first) || !covered(last))).toEqual([]);
            const packed = await readFile(file);
            let at = 0;
            for (const { first, last, sha256 } of map.ranges) {
              const bytes = content.subarray(first * BLOCK_SIZE, (last + 1) * BLOCK_SIZE);
              expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
              expect(packed.subarray(at, at + bytes.length).equals(bytes)).toBe(true);
              at += bytes.length;
            }
            expect(packed.length).toBe(at);
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  it("leaves long runs of unneeded blocks out and bridges short ones", async () => {
    await inScratch(async (dir) => {
      await sparseFile(join(dir, "root.img"), 100, []);
      await packBlocks(
        join(dir, "root.img"),
        [0, 10, 50].map((block) => ({ first: block, last: block })),
      );
      const { map } = await readBlocks(dir);
      expect(map.ranges.map(({ first, last }) => [first, last])).toEqual([
        [0, 10],
        [50, 50],
      ]);
    });
  });

  it("sums at most 64 MiB in one range", async () => {
    await inScratch(async (dir) => {
      const blocks = (150 * 1024 ** 2) / BLOCK_SIZE;
      await sparseFile(join(dir, "root.img"), blocks, [1]);
      await packBlocks(join(dir, "root.img"), [{ first: 1, last: blocks - 1 }]);
      const { map } = await readBlocks(dir);
      expect(map.ranges.map(({ first, last }) => [first, last])).toEqual([
        [1, 16_384],
        [16_385, 32_768],
        [32_769, 38_399],
      ]);
    });
  });

  it("is noticed when its blocks are cut off", async () => {
    await inScratch(async (dir) => {
      await sparseFile(join(dir, "root.img"), 10, [1]);
      await packBlocks(join(dir, "root.img"), [{ first: 0, last: 9 }]);
      await truncate(join(dir, "blocks"), 4096);
      await expect(readBlocks(dir)).rejects.toThrow("its map is of 40960");
    });
  });
});

describe("contentSpans", () => {
  it("finds the blocks that are not zero", async () => {
    await inScratch(async (dir) => {
      const path = join(dir, "file");
      const blocks = 3000;
      await fc.assert(
        fc.asyncProperty(fc.uniqueArray(fc.nat(blocks - 1)), async (filled) => {
          await sparseFile(path, blocks, filled);
          const file = await open(path);
          const spans = await contentSpans(file, blocks * BLOCK_SIZE);
          await file.close();
          const found = spans.flatMap(({ first, last }) =>
            Array.from({ length: last - first + 1 }, (_, index) => first + index),
          );
          expect(found).toEqual(filled.toSorted((a, b) => a - b));
        }),
        { numRuns: 40 },
      );
    });
  });
});
