import { createHash, type Hash } from "node:crypto";
import { open, readFile, stat, writeFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { BLOCK_SIZE, mergeSpans, type BlockMap, type BlockRange, type BlockSpan } from "./block-map.ts";

const CHUNK = 4 * 1024 ** 2;

/** Up to so many unneeded blocks between two ranges are written too: 64 KiB cost a card less than another seek. */
const BRIDGED_BLOCKS = 16;

const ZERO_BLOCK = Buffer.alloc(BLOCK_SIZE);

/** The name of a partition image's map, which stands beside it. */
const MAP_FILE = "map.json";

/**
 * Maps a file system's image, whose size is a multiple of {@link BLOCK_SIZE}: the blocks of `inUse`, which is what the file
 * system says it has allocated. An allocated block of zeros (an empty inode, a zero page of a program) must overwrite what
 * an old card holds; what is not allocated nobody reads. Nothing depends on how the host stores the file.
 */
export async function mapFile(path: string, inUse: readonly BlockSpan[]): Promise<BlockMap> {
  const file = await open(path, "r");
  try {
    const { size } = await file.stat();
    return { size, ranges: await hashSpans(file, mergeSpans(inUse, BRIDGED_BLOCKS)) };
  } finally {
    await file.close();
  }
}

/** Spans of the blocks that are not all zero, in the bytes from `start` to `end` (multiples of {@link BLOCK_SIZE}). */
export async function contentSpans(file: FileHandle, end: number, start = 0): Promise<BlockSpan[]> {
  const spans: BlockSpan[] = [];
  let run = -1;
  const buffer = Buffer.allocUnsafe(Math.min(CHUNK, Math.max(end - start, BLOCK_SIZE)));
  for (let offset = start; offset < end; offset += buffer.length) {
    const chunk = await readExactly(file, buffer, offset, Math.min(buffer.length, end - offset));
    for (let at = 0; at < chunk.length; at += BLOCK_SIZE) {
      const block = (offset + at) / BLOCK_SIZE;
      const zero = chunk.compare(ZERO_BLOCK, 0, BLOCK_SIZE, at, at + BLOCK_SIZE) === 0;
      if (!zero && run < 0) run = block;
      if (zero && run >= 0) {
        spans.push({ first: run, last: block - 1 });
        run = -1;
      }
    }
  }
  if (run >= 0) spans.push({ first: run, last: end / BLOCK_SIZE - 1 });
  return spans;
}

/** Adds to each span the sha256 of its bytes in the file. */
export async function hashSpans(file: FileHandle, spans: readonly BlockSpan[]): Promise<BlockRange[]> {
  const ranges: BlockRange[] = [];
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  for (const { first, last } of spans) {
    const hash = createHash("sha256");
    await readSpan(file, first * BLOCK_SIZE, (last + 1) * BLOCK_SIZE, buffers, hash);
    ranges.push({ first, last, sha256: hash.digest("hex") });
  }
  return ranges;
}

/** Maps a partition image and writes the map beside it, for the step that puts the whole image together. */
export async function writeMap(dir: string, image: string, inUse: readonly BlockSpan[]): Promise<void> {
  await writeFile(join(dir, MAP_FILE), JSON.stringify(await mapFile(join(dir, image), inUse)));
}

/** Reads what {@link writeMap} wrote. Throws when the image beside it has another size. */
export async function readMap(dir: string, image: string): Promise<BlockMap> {
  const map = JSON.parse(await readFile(join(dir, MAP_FILE), "utf8")) as BlockMap;
  const { size } = await stat(join(dir, image));
  if (size !== map.size) throw new Error(`${join(dir, image)} has ${size} bytes, its map is of ${map.size}`);
  return map;
}

/** Fills the first `length` bytes of `buffer` from the file; throws when the file ends before. */
export async function readExactly(file: FileHandle, buffer: Buffer, offset: number, length: number): Promise<Buffer> {
  for (let done = 0; done < length;) {
    const { bytesRead } = await file.read(buffer, done, length - done, offset + done);
    if (bytesRead === 0) throw new Error(`the file ends at ${offset + done}, before ${offset + length}`);
    done += bytesRead;
  }
  return buffer.subarray(0, length);
}

/** Reads the next chunk while the last one is hashed. */
async function readSpan(
  file: FileHandle,
  start: number,
  end: number,
  buffers: readonly [Buffer, Buffer],
  hash: Hash,
): Promise<void> {
  const read = (offset: number, turn: number): Promise<Buffer> =>
    readExactly(file, turn % 2 === 0 ? buffers[0] : buffers[1], offset, Math.min(CHUNK, end - offset));
  let next = read(start, 0);
  for (let offset = start, turn = 1; offset < end; offset += CHUNK, turn += 1) {
    const chunk = await next;
    if (offset + CHUNK < end) next = read(offset + CHUNK, turn);
    hash.update(chunk);
  }
}
