import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { divide } from "../../src/flash/division.ts";
import { countBytes, HEAD_BYTES, type Extent, type SourceExtent } from "../../src/flash/extents.ts";
import { isPatched } from "../../src/flash/settings-patch.ts";

const MIB = 1024 ** 2;
const file = { path: "/x.img", identity: "1:2" };

const extents = fc
  .uniqueArray(fc.nat(200 * MIB), { minLength: 2, maxLength: 20 })
  .map((places) => places.toSorted((one, other) => one - other))
  .map((places) =>
    places.slice(1).flatMap((end, index): SourceExtent[] => {
      const offset = places[index] ?? 0;
      return index % 2 === 0 ? [{ offset, length: end - offset, sha256: "of the map" }] : [];
    }),
  );
const patches = fc.array(fc.record({ offset: fc.nat(200 * MIB), bytes: fc.constant(Buffer.from("hostname=arm\n")) }), {
  maxLength: 3,
});
const ascending = (all: readonly Extent[]): Extent[] => all.toSorted((one, other) => one.offset - other.offset);

describe("divide", () => {
  it("has each byte of a plain file brought once, and copied only behind the head and unpatched", () => {
    fc.assert(
      fc.property(extents, patches, (ranges, patched) => {
        const { sent, copied } = divide({ file, size: 200 * MIB }, ranges, patched);
        expect(countBytes([...sent, ...copied])).toBe(countBytes(ranges));
        const all = ascending([...sent, ...copied]);
        for (const [index, { offset, length }] of all.entries()) {
          expect(offset + length).toBeLessThanOrEqual(all[index + 1]?.offset ?? Infinity);
        }
        for (const extent of copied) {
          expect(extent.offset).toBeGreaterThanOrEqual(HEAD_BYTES);
          expect(isPatched(extent, patched)).toBe(false);
        }
      }),
    );
  });

  it("leaves no sum of the block map out", () => {
    fc.assert(
      fc.property(extents, patches, (ranges, patched) => {
        const { sent, copied } = divide({ file, size: 200 * MIB }, ranges, patched);
        const checked = [...sent, ...copied]
          .filter(({ sha256 }) => sha256 !== undefined)
          .map(({ offset, length, sumFrom = offset }) => ({ offset: sumFrom, length: offset + length - sumFrom }));
        expect(ascending(checked)).toEqual(ascending(ranges.map(({ offset, length }) => ({ offset, length }))));
      }),
    );
  });

  it("cuts a file without a block map", () => {
    const { sent, copied } = divide({ file, size: 130 * MIB }, undefined, []);
    expect(sent).toMatchObject([{ offset: 0, length: MIB }]);
    expect(copied.map(({ offset, length }) => [offset / MIB, length / MIB])).toEqual([
      [1, 63],
      [64, 64],
      [128, 2],
    ]);
  });

  it("has all of what is unpacked here sent", () => {
    const ranges = [{ offset: 0, length: 4 * MIB, sha256: "of the map" }];
    expect(divide({ file: undefined, size: undefined }, ranges, [])).toEqual({ sent: ranges, copied: [] });
    expect(divide({ file: undefined, size: 10 }, undefined, [])).toMatchObject({ sent: [{ length: Infinity }] });
  });
});
