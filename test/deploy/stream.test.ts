import * as fc from "fast-check";
import { expect, it } from "vitest";
import { releaseStream } from "../../src/deploy/stream.ts";
import { sha256 } from "../../src/pipeline/digest.ts";

/** Reads a stream as the board does. */
function read(stream: Buffer): { sums: Buffer; blobs: Map<string, Buffer> } {
  const blobs = new Map<string, Buffer>();
  let sums: Buffer = Buffer.alloc(0);
  let announced = 0;
  for (let at = 0; ;) {
    const end = stream.indexOf("\n", at);
    const [word, first = "", second = ""] = stream.subarray(at, end).toString().split(" ");
    if (word === "ALL") {
      announced = Number(first);
      at = end + 1;
      continue;
    }
    if (word === "END") {
      expect(end).toBe(stream.length - 1);
      // Whoever has to make room for it knows before.
      expect(announced).toBe([...blobs.values()].reduce((sum, { length }) => sum + length, 0));
      return { sums, blobs };
    }
    const size = Number(word === "SUMS" ? first : second);
    const content = stream.subarray(end + 1, end + 1 + size);
    expect(content).toHaveLength(size);
    if (word === "SUMS") sums = content;
    else blobs.set(first, content);
    at = end + 1 + size;
  }
}

const files = fc.array(fc.uint8Array({ maxLength: 40 }), { maxLength: 8 });

it("has the list and exactly the files that the board lacks, whatever is in them", () => {
  fc.assert(
    fc.property(files, fc.uint8Array(), fc.nat(), (contents, list, seed) => {
      const blobs = new Map(contents.map((content) => [sha256(content), Buffer.from(content)]));
      const has = new Set([...blobs.keys()].filter((_, index) => (seed >> index) % 2 === 1));
      const sums = Buffer.from(list);
      const { chunks, bytes, blobs: count } = releaseStream({ sums, blobs }, has);
      const whole = Buffer.concat(chunks);
      expect(whole).toHaveLength(bytes);
      const received = read(whole);
      expect(received.sums).toEqual(sums);
      const missing = [...blobs].filter(([digest]) => !has.has(digest));
      expect(received.blobs).toEqual(new Map(missing));
      expect(count).toBe(missing.length);
    }),
  );
});

it("is the same in whatever order the files are", () => {
  fc.assert(
    fc.property(files, (contents) => {
      const blobs = contents.map((content) => [sha256(content), Buffer.from(content)] as const);
      const sums = Buffer.alloc(0);
      const one = releaseStream({ sums, blobs: new Map(blobs) }, new Set());
      const other = releaseStream({ sums, blobs: new Map(blobs.toReversed()) }, new Set());
      expect(one).toEqual(other);
    }),
  );
});
