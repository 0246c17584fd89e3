import { RtkitError } from "../core/errors.ts";
import { sha256 } from "../pipeline/digest.ts";
import { BLOCK_SIZE, countBlocks, type BlockMap, type BlockRange } from "./block-map.ts";

/** The checksum of a bmap file is taken with this in the checksum's own place (bmaptool, BmapCreate.py). */
const NO_CHECKSUM = "0".repeat(64);

/** A block map as bmaptool's XML, format version 2.0 (bmap-tools, TransRead.py and BmapCopy.py). */
export function printBmap(map: BlockMap): string {
  const ranges = map.ranges.map(({ first, last, sha256: sum }) => {
    const span = first === last ? `${first}` : `${first}-${last}`;
    return `        <Range chksum="${sum}"> ${span} </Range>`;
  });
  const text = [
    '<?xml version="1.0" ?>',
    '<bmap version="2.0">',
    `    <ImageSize> ${map.size} </ImageSize>`,
    `    <BlockSize> ${BLOCK_SIZE} </BlockSize>`,
    `    <BlocksCount> ${Math.ceil(map.size / BLOCK_SIZE)} </BlocksCount>`,
    `    <MappedBlocksCount> ${countBlocks(map.ranges)} </MappedBlocksCount>`,
    "    <ChecksumType> sha256 </ChecksumType>",
    `    <BmapFileChecksum> ${NO_CHECKSUM} </BmapFileChecksum>`,
    "    <BlockMap>",
    ...ranges,
    "    </BlockMap>",
    "</bmap>",
    "",
  ].join("\n");
  return text.replace(NO_CHECKSUM, sha256(text));
}

/**
 * Reads a bmap, rtkit's own or one that bmaptool made. Throws RTK_BMAP_INVALID when it is none, is of a kind without
 * sha256 checksums, has other blocks than {@link BLOCK_SIZE}, or was changed since it was written.
 */
export function parseBmap(text: string): BlockMap {
  if (!/^<bmap version="2\.\d+">/m.test(text)) throw invalid("it is not a bmap of version 2");
  const checksum = element(text, "BmapFileChecksum");
  if (sha256(text.replace(checksum, NO_CHECKSUM)) !== checksum) throw invalid("its own checksum does not match");
  if (element(text, "ChecksumType") !== "sha256") throw invalid("its checksums are not sha256");
  if (element(text, "BlockSize") !== String(BLOCK_SIZE)) throw invalid(`its blocks are not ${BLOCK_SIZE} bytes`);
  const size = Number(element(text, "ImageSize"));
  const ranges = [...text.matchAll(/<Range chksum="([0-9a-f]{64})">\s*(\d+)(?:-(\d+))?\s*<\/Range>/g)].map(
    ([, sum = "", first = "", last = first]): BlockRange => ({
      first: Number(first),
      last: Number(last),
      sha256: sum,
    }),
  );
  const blocks = Math.ceil(size / BLOCK_SIZE);
  const ordered = ranges.every(
    ({ first, last }, index) => first <= last && last < blocks && first > (ranges[index - 1]?.last ?? -1),
  );
  if (!ordered) throw invalid("its ranges overlap or leave the image");
  if (countBlocks(ranges) !== Number(element(text, "MappedBlocksCount"))) throw invalid("it lacks ranges");
  return { size, ranges };
}

function element(text: string, name: string): string {
  const value = new RegExp(`<${name}>\\s*([0-9a-z]+)\\s*</${name}>`).exec(text)?.[1];
  if (value === undefined) throw invalid(`it has no ${name}`);
  return value;
}

function invalid(reason: string): RtkitError {
  return new RtkitError("RTK_BMAP_INVALID", `the block map cannot be used: ${reason}`, {
    hint: "build the image again; it is written together with its map",
  });
}
