import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import {
  behindHead,
  CHUNK_BYTES,
  countBytes,
  HEAD_BYTES,
  holesBetween,
  inPieces,
  type Extent,
} from "../../src/flash/extents.ts";

/** Extents of an image as a block map has them: whole blocks, ascending, apart. */
const blocks = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 3000 }), fc.integer({ min: 1, max: 5000 })), { maxLength: 12 })
  .map((pairs) => {
    const extents: Extent[] = [];
    let at = -4096;
    for (const [gap, length] of pairs) {
      const offset = at + gap * 4096;
      extents.push({ offset, length: length * 4096 });
      at = offset + length * 4096;
    }
    return extents;
  });

describe("extents", () => {
  it("and the holes between them are the whole image, each byte once", () => {
    fc.assert(
      fc.property(blocks, fc.nat(100), (extents, rest) => {
        const last = extents.at(-1);
        const size = (last === undefined ? 0 : last.offset + last.length) + rest;
        const all = [...extents, ...holesBetween(extents, size)].toSorted((a, b) => a.offset - b.offset);
        let at = 0;
        for (const { offset, length } of all) {
          expect(offset).toBe(at);
          expect(length).toBeGreaterThan(0);
          at += length;
        }
        expect(at).toBe(size);
      }),
    );
  });

  it("are the same bytes in pieces, none larger than a buffer, none on both sides of the head's end", () => {
    fc.assert(
      fc.property(blocks, (extents) => {
        const pieces = [...inPieces(extents)];
        expect(countBytes(pieces)).toBe(countBytes(extents));
        for (const { offset, length } of pieces) {
          expect(length).toBeGreaterThan(0);
          expect(length).toBeLessThanOrEqual(CHUNK_BYTES);
          expect(offset < HEAD_BYTES && offset + length > HEAD_BYTES).toBe(false);
          expect(Math.floor(offset / CHUNK_BYTES)).toBe(Math.floor((offset + length - 1) / CHUNK_BYTES));
        }
        expect(behindHead(pieces)).toEqual(pieces.filter(({ offset }) => offset >= HEAD_BYTES));
        expect(countBytes(behindHead(extents))).toBe(countBytes(behindHead(pieces)));
      }),
    );
  });

  it("may have no end: pieces of an image whose size nobody knows", () => {
    const pieces = inPieces([{ offset: 0, length: Infinity }]);
    expect([pieces.next().value, pieces.next().value, pieces.next().value]).toEqual([
      { offset: 0, length: HEAD_BYTES },
      { offset: HEAD_BYTES, length: CHUNK_BYTES - HEAD_BYTES },
      { offset: CHUNK_BYTES, length: CHUNK_BYTES },
    ]);
  });
});
