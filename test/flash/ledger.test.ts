import { createHash } from "node:crypto";
import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { HEAD_BYTES, inPieces, type CheckedExtent, type Extent } from "../../src/flash/extents.ts";
import { Ledger } from "../../src/flash/ledger.ts";
import type { Patch } from "../../src/flash/settings-patch.ts";

const SIZE = 6 * 1024 ** 2;

const sha256 = (bytes: Buffer): string => createHash("sha256").update(bytes).digest("hex");
const at = (bytes: Buffer, { offset, length }: Extent): Buffer => bytes.subarray(offset, offset + length);

/** An image in which every byte tells its place. */
function image(): Buffer {
  const bytes = Buffer.alloc(SIZE);
  for (let place = 0; place < SIZE; place += 4) bytes.writeUInt32LE(place, place);
  return bytes;
}

function mapOf(bytes: Buffer, extents: readonly Extent[]): CheckedExtent[] {
  return extents.map((extent) => ({ ...extent, sha256: sha256(at(bytes, extent)) }));
}

/** Reads an image past a ledger, and returns what it made of it. */
function pass(ledger: Ledger, bytes: Buffer, extents: readonly Extent[]): Buffer {
  const written = Buffer.from(bytes);
  for (const piece of inPieces(extents)) ledger.add(piece.offset, at(written, piece));
  ledger.end();
  return written;
}

const EXTENTS = [
  { offset: 0, length: 4096 },
  { offset: HEAD_BYTES - 8192, length: 3 * 1024 ** 2 },
  { offset: 5 * 1024 ** 2, length: 4096 },
];

describe("the ledger of an image", () => {
  it("has the sums of what is written behind the head, whatever is patched", () => {
    const source = image();
    fc.assert(
      fc.property(
        fc.array(fc.record({ offset: fc.nat(SIZE - 5000), bytes: fc.uint8Array({ minLength: 1, maxLength: 5000 }) })),
        (patches) => {
          const ledger = new Ledger(
            "x.img",
            mapOf(source, EXTENTS),
            patches.map(({ offset, bytes }): Patch => ({ offset, bytes: Buffer.from(bytes) })),
          );
          const written = pass(ledger, source, EXTENTS);
          expect(ledger.written.map(({ offset, length }) => [offset, length])).toEqual([
            [HEAD_BYTES, 3 * 1024 ** 2 - 8192],
            [5 * 1024 ** 2, 4096],
          ]);
          for (const extent of ledger.written) expect(extent.sha256).toBe(sha256(at(written, extent)));
          for (const { offset, bytes } of patches.slice(-1)) {
            const whole = EXTENTS.some(
              (extent) => extent.offset <= offset && offset + bytes.length <= extent.offset + extent.length,
            );
            if (whole) expect(written.subarray(offset, offset + bytes.length)).toEqual(Buffer.from(bytes));
          }
        },
      ),
      { numRuns: 30 },
    );
  });

  it("sums ranges up apart where the first is copied by another from the head's end on", () => {
    const source = image();
    const [head, behind] = [
      { offset: 0, length: HEAD_BYTES, sha256: undefined },
      { offset: 4 * 1024 ** 2, length: 1024 ** 2 },
    ];
    const ledger = new Ledger("x.img", [head, ...mapOf(source, [behind])], []);
    pass(ledger, source, [head, behind]);
    expect(ledger.written).toEqual(mapOf(source, [behind]));
  });

  it("does without a block map", () => {
    const source = image();
    const ledger = new Ledger("x.img", [{ offset: 0, length: Infinity, sha256: undefined }], []);
    pass(ledger, source, [{ offset: 0, length: SIZE }]);
    expect(ledger.written).toEqual([
      { offset: HEAD_BYTES, length: SIZE - HEAD_BYTES, sha256: sha256(source.subarray(HEAD_BYTES)) },
    ]);
  });

  it("refuses an image that is not what its block map says, in the head too", () => {
    const source = image();
    for (const place of [100, HEAD_BYTES - 1, HEAD_BYTES, 5 * 1024 ** 2]) {
      const ledger = new Ledger("x.img", mapOf(source, EXTENTS), []);
      const flipped = Buffer.from(source);
      flipped[place] = (flipped[place] ?? 0) ^ 1;
      expect(() => pass(ledger, flipped, EXTENTS), `${place}`).toThrow(
        expect.objectContaining({ code: "RTK_FLASH_DAMAGED" }),
      );
    }
  });

  it("refuses an image that ends before its block map", () => {
    const source = image();
    for (const extents of [EXTENTS.slice(0, 2), [...EXTENTS.slice(0, 2), { offset: 5 * 1024 ** 2, length: 100 }]]) {
      expect(() => pass(new Ledger("x.img", mapOf(source, EXTENTS), []), source, extents)).toThrow(
        expect.objectContaining({ code: "RTK_FLASH_DAMAGED", message: expect.stringContaining("ends at byte") }),
      );
    }
  });
});
