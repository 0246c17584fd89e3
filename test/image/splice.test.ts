import { existsSync } from "node:fs";
import { mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { beforeAll, describe, expect, it } from "vitest";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { makeSparse } from "../../src/image/ext4.ts";
import { splice, type Segment } from "../../src/image/splice.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { inScratch } from "./fixtures.ts";
import { realTools } from "./tools-fixtures.ts";

const MIB = 1024 ** 2;
const never = new AbortController().signal;
const source = Buffer.alloc(9 * MIB, "rtkit");

let tools: Toolbox;

beforeAll(async () => {
  tools = await realTools();
}, 600_000);

/** Segments out of a file that holds {@link source}, and what the target must be. */
function plan(file: string, pairs: readonly (readonly [number, number])[]): { segments: Segment[]; expected: Buffer } {
  const expected = Buffer.alloc(24 * MIB);
  let end = 0;
  const segments = pairs.map(([gap, length], index) => {
    const start = end + gap;
    end = start + length;
    source.copy(expected, start, index, index + length);
    return { start, end, source: file, sourceStart: index };
  });
  return { segments, expected };
}

describe("splice", () => {
  it("copies the segments, returns the digest of the whole, and goes on from a digest that it kept", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "source");
      await writeFile(file, source);
      const target = join(dir, "target");
      const pair = fc.tuple(fc.integer({ min: 0, max: 3 * MIB }), fc.integer({ min: 1, max: 5 * MIB }));
      await fc.assert(
        fc.asyncProperty(fc.array(pair, { maxLength: 3 }), fc.nat(), async (pairs, choice) => {
          const { segments, expected } = plan(file, pairs);
          const boundaries = [0, ...segments.flatMap(({ start, end }) => [start, end]), expected.length];
          const saveAt = boundaries[choice % boundaries.length] ?? 0;
          const options = { target, size: expected.length, segments, saveAt };
          await makeSparse(target, expected.length);
          const first = await splice(tools, { ...options, resume: null }, never);
          expect((await readFile(target)).equals(expected)).toBe(true);
          expect(first.sha256).toBe(sha256(expected));
          const resumed = await splice(tools, { ...options, resume: first.saved }, never);
          expect(resumed).toEqual(first);
        }),
        { numRuns: 10 },
      );
    });
  });

  it("hashes what the target holds already", async () => {
    await inScratch(async (dir) => {
      const target = join(dir, "target");
      const bytes = Buffer.concat([Buffer.alloc(MIB, "table"), Buffer.alloc(MIB)]);
      await writeFile(target, bytes);
      const segments = [{ start: 0, end: MIB, source: null, sourceStart: 0 }];
      const { sha256: sum } = await splice(
        tools,
        { target, size: bytes.length, segments, resume: null, saveAt: 0 },
        never,
      );
      expect(sum).toBe(sha256(bytes));
    });
  });

  it.runIf(existsSync("/dev/shm"))("copies from another kind of file system", async () => {
    const memory = await mkdtemp("/dev/shm/rtkit-splice-");
    try {
      await inScratch(async (dir) => {
        const file = join(memory, "source");
        await writeFile(file, source);
        const { segments, expected } = plan(file, [[MIB, 9 * MIB]]);
        const target = join(dir, "target");
        await makeSparse(target, expected.length);
        await splice(tools, { target, size: expected.length, segments, resume: null, saveAt: 0 }, never);
        expect((await readFile(target)).equals(expected)).toBe(true);
      });
    } finally {
      await rm(memory, { recursive: true });
    }
  });

  it("fails when a source is shorter than its segment", async () => {
    await inScratch(async (dir) => {
      const file = join(dir, "source");
      await writeFile(file, "short");
      const target = join(dir, "target");
      await makeSparse(target, MIB);
      const segments = [{ start: 0, end: MIB, source: file, sourceStart: 0 }];
      const failed = splice(tools, { target, size: MIB, segments, resume: null, saveAt: 0 }, never);
      await expect(failed).rejects.toThrow("a source ends at 5");
    });
  });

  it("stops when it is aborted", async () => {
    await inScratch(async (dir) => {
      const target = join(dir, "target");
      await makeSparse(target, MIB);
      const stop = AbortSignal.abort(new Error("interrupted"));
      const stopped = splice(tools, { target, size: MIB, segments: [], resume: null, saveAt: 0 }, stop);
      await expect(stopped).rejects.toThrow("interrupted");
    });
  });
});
