import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import type { BlockMap, BlockRange } from "../../src/image/block-map.ts";
import { parseBmap, printBmap } from "../../src/image/bmap.ts";
import { sha256 } from "../../src/pipeline/digest.ts";

/** Ranges in order, each a gap of at least one block after the last. */
const maps = fc
  .array(fc.tuple(fc.integer({ min: 1, max: 99 }), fc.integer({ min: 1, max: 99 })))
  .map((pairs): BlockMap => {
    let next = 0;
    const ranges: BlockRange[] = pairs.map(([gap, length]) => {
      const first = next + gap;
      next = first + length;
      return { first, last: next - 1, sha256: sha256(String(first)) };
    });
    return { size: (next + 1) * 4096, ranges };
  });

const sample: BlockMap = {
  size: 40_960,
  ranges: [
    { first: 0, last: 0, sha256: "a".repeat(64) },
    { first: 2, last: 5, sha256: "b".repeat(64) },
  ],
};

function reason(text: string): string {
  try {
    parseBmap(text);
  } catch (error) {
    if (error instanceof RtkitError && error.code === "RTK_BMAP_INVALID") return error.message;
    throw error;
  }
  return "accepted";
}

/** Changes a bmap and mends its own checksum. */
function rewritten(from: string | RegExp, to: string): string {
  const text = printBmap(sample).replace(from, to);
  const blank = text.replace(/(<BmapFileChecksum> )[0-9a-f]{64}/, `$1${"0".repeat(64)}`);
  return blank.replace("0".repeat(64), sha256(blank));
}

describe("bmap", () => {
  it("reads what it prints", () => {
    fc.assert(
      fc.property(maps, (map) => {
        expect(parseBmap(printBmap(map))).toEqual(map);
      }),
    );
  });

  it("prints format 2.0", () => {
    expect(printBmap(sample)).toMatchInlineSnapshot(`
      "<?xml version="1.0" ?>
      <bmap version="2.0">
          <ImageSize> 40960 </ImageSize>
          <BlockSize> 4096 </BlockSize>
          <BlocksCount> 10 </BlocksCount>
          <MappedBlocksCount> 5 </MappedBlocksCount>
          <ChecksumType> sha256 </ChecksumType>
          <BmapFileChecksum> bee0c03bc401caca3f6cce853d6b6026df5a393c9ff0bae7447ee57bf195f512 </BmapFileChecksum>
          <BlockMap>
              <Range chksum="aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"> 0 </Range>
              <Range chksum="bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb"> 2-5 </Range>
          </BlockMap>
      </bmap>
      "
    `);
  });

  it("refuses a bmap that was changed, of another kind, or that reaches outside", () => {
    expect(reason("hello")).toBe("the block map cannot be used: it is not a bmap of version 2");
    expect(reason(printBmap(sample).replace("2-5", "2-4"))).toContain("its own checksum does not match");
    expect(reason(rewritten("2-5", "2-4"))).toContain("it lacks ranges");
    expect(reason(rewritten("2-5", "6-9 "))).toBe("accepted");
    expect(reason(rewritten("2-5", "7-10"))).toContain("its ranges overlap or leave the image");
    expect(reason(rewritten("sha256 ", "sha1 "))).toContain("its checksums are not sha256");
    expect(reason(rewritten("4096 ", "512 "))).toContain("its blocks are not 4096 bytes");
    expect(reason(rewritten(/<ImageSize>.*/, ""))).toContain("it has no ImageSize");
  });
});
