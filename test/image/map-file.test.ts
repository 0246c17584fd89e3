import { createHash } from "node:crypto";
import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { BLOCK_SIZE, type BlockSpan } from "../../src/image/block-map.ts";
import { makeSparse } from "../../src/image/ext4.ts";
import { mapFile, readMap, writeMap } from "../../src/image/map-file.ts";
import { inScratch } from "./fixtures.ts";

async function sparseFile(path: string, blocks: number, filled: readonly number[]): Promise<void> {
  await makeSparse(path, blocks * BLOCK_SIZE);
  const file = await open(path, "r+");
  for (const block of filled)
    await file.write(Buffer.from([block % 255, 1]), 0, 2, block * BLOCK_SIZE + (block % 4000));
  await file.close();
}

describe("mapFile", () => {
  it("covers what is not zero and what is in use, and sums each range", async () => {
    await inScratch(async (dir) => {
      const path = join(dir, "file");
      const blocks = 3000;
      const used = fc.nat(blocks - 10).map((first): BlockSpan => ({ first, last: first + 3 }));
      await fc.assert(
        fc.asyncProperty(
          fc.uniqueArray(fc.nat(blocks - 1)),
          fc.array(used, { maxLength: 3 }),
          async (filled, inUse) => {
            await sparseFile(path, blocks, filled);
            const map = await mapFile(path, inUse);
            const content = await readFile(path);
            expect(map.size).toBe(content.length);
            const covered = (block: number): boolean =>
              map.ranges.some(({ first, last }) => first <= block && block <= last);
            expect(filled.filter((block) => !covered(block))).toEqual([]);
            expect(inUse.filter(({ first, last }) => !covered(first) || !covered(last))).toEqual([]);
            for (const { first, last, sha256 } of map.ranges) {
              const bytes = content.subarray(first * BLOCK_SIZE, (last + 1) * BLOCK_SIZE);
              expect(sha256).toBe(createHash("sha256").update(bytes).digest("hex"));
            }
          },
        ),
        { numRuns: 40 },
      );
    });
  });

  it("leaves long runs of unneeded blocks out and bridges short ones", async () => {
    await inScratch(async (dir) => {
      const path = join(dir, "file");
      await sparseFile(path, 100, [0, 10, 50]);
      const { ranges } = await mapFile(path);
      expect(ranges.map(({ first, last }) => [first, last])).toEqual([
        [0, 10],
        [50, 50],
      ]);
    });
  });

  it("is read back only beside the file it was made of", async () => {
    await inScratch(async (dir) => {
      await sparseFile(join(dir, "a.img"), 10, [1]);
      await writeMap(dir, "a.img", []);
      expect(await readMap(dir, "a.img")).toEqual(await mapFile(join(dir, "a.img")));
      await makeSparse(join(dir, "a.img"), 4096);
      await expect(readMap(dir, "a.img")).rejects.toThrow("its map is of 40960");
    });
  });
});
