import { open, readFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { makeSparse } from "../../src/image/ext4.ts";
import { splice } from "../../src/image/splice.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { inScratch } from "./fixtures.ts";

const MIB = 1024 ** 2;
const never = new AbortController().signal;

describe("splice", () => {
  it("copies the segments and returns the digest of the whole target", async () => {
    await inScratch(async (dir) => {
      const sourcePath = join(dir, "source");
      const source = await open(sourcePath, "w+");
      const bytes = Buffer.alloc(9 * MIB, "rtkit");
      await source.write(bytes);
      const pair = fc.tuple(fc.integer({ min: 1, max: 3 * MIB }), fc.integer({ min: 1, max: 5 * MIB }));
      await fc.assert(
        fc.asyncProperty(fc.array(pair, { maxLength: 3 }), async (pairs) => {
          const target = await open(join(dir, "target"), "w+");
          const expected = Buffer.alloc(24 * MIB);
          let end = 0;
          const segments = pairs.map(([gap, length]) => {
            const start = end + gap;
            end = start + length;
            bytes.copy(expected, start, 1000, 1000 + length);
            return { start, end, source, sourceStart: start - 1000 };
          });
          await target.truncate(expected.length);
          const sum = await splice(target, expected.length, segments, never);
          await target.close();
          expect((await readFile(join(dir, "target"))).equals(expected)).toBe(true);
          expect(sum).toBe(sha256(expected));
        }),
        { numRuns: 10 },
      );
      await source.close();
    });
  });

  it("stops when it is aborted", async () => {
    await inScratch(async (dir) => {
      await makeSparse(join(dir, "target"), MIB);
      const target = await open(join(dir, "target"), "r+");
      const segments = [{ start: 0, end: MIB, source: target, sourceStart: 0 }];
      const stopped = splice(target, MIB, segments, AbortSignal.abort(new Error("interrupted")));
      await expect(stopped).rejects.toThrow("interrupted");
      await target.close();
    });
  });
});
