import { createHash } from "node:crypto";
import { open, readFile, rm, stat, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import { BLOCK_SIZE, countBlocks, mergeSpans, type BlockMap, type BlockRange, type BlockSpan } from "./block-map.ts";

const CHUNK = 4 * 1024 ** 2;

/** Up to so many unneeded blocks between two ranges are written too: 64 KiB cost a card less than another seek. */
const BRIDGED_BLOCKS = 16;

/** Ranges are no longer than 64 MiB: several can be verified at the same time, and a bad one says where. */
const RANGE_BLOCKS = (64 * 1024 ** 2) / BLOCK_SIZE;

const ZERO_BLOCK = Buffer.alloc(BLOCK_SIZE);

/** What {@link packBlocks} leaves of a partition's image. */
const BLOCKS_FILE = "blocks";
const MAP_FILE = "map.json";

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

/**
 * The ranges of the spans, in pieces of at most {@link RANGE_BLOCKS}, with the sha256 of their bytes in the file. Appends the
 * bytes to `copy`, if there is one.
 */
export async function hashSpans(
  file: FileHandle,
  spans: readonly BlockSpan[],
  copy?: FileHandle,
): Promise<BlockRange[]> {
  const ranges: BlockRange[] = [];
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  for (const { first, last } of spans.flatMap((span) => [...inRanges(span)])) {
    const hash = createHash("sha256");
    for await (const chunk of readSpan(file, first * BLOCK_SIZE, (last + 1) * BLOCK_SIZE, buffers)) {
      const written = copy?.writeFile(chunk);
      hash.update(chunk);
      await written;
    }
    ranges.push({ first, last, sha256: hash.digest("hex") });
  }
  return ranges;
}

function* inRanges({ first, last }: BlockSpan): Generator<BlockSpan> {
  for (let at = first; at <= last; at += RANGE_BLOCKS) yield { first: at, last: Math.min(at + RANGE_BLOCKS - 1, last) };
}

/**
 * Replaces a file system's image, whose size is a multiple of {@link BLOCK_SIZE}, by the blocks of `inUse`, one after the
 * other in {@link BLOCKS_FILE}, and their map. `inUse` is what the file system says it has allocated: an allocated block of
 * zeros (an empty inode, a zero page of a program) must overwrite what an old card holds; what is not allocated nobody
 * reads, and it would be read and hashed for nothing with every step that has to do with the file.
 */
export async function packBlocks(image: string, inUse: readonly BlockSpan[]): Promise<void> {
  const dir = dirname(image);
  const file = await open(image, "r");
  const copy = await open(join(dir, BLOCKS_FILE), "w");
  try {
    const { size } = await file.stat();
    const map: BlockMap = { size, ranges: await hashSpans(file, mergeSpans(inUse, BRIDGED_BLOCKS), copy) };
    await writeFile(join(dir, MAP_FILE), JSON.stringify(map));
  } finally {
    await file.close();
    await copy.close();
  }
  await rm(image);
}

/** A file system as {@link packBlocks} left it. */
export interface PackedBlocks {
  /** The blocks of the map's ranges, one after the other. */
  readonly file: string;
  readonly map: BlockMap;
}

/** Reads what {@link packBlocks} wrote. Throws when the blocks are not those of the map. */
export async function readBlocks(dir: string): Promise<PackedBlocks> {
  const map = JSON.parse(await readFile(join(dir, MAP_FILE), "utf8")) as BlockMap;
  const file = join(dir, BLOCKS_FILE);
  const [mapped, { size }] = [countBlocks(map.ranges) * BLOCK_SIZE, await stat(file)];
  if (size !== mapped) throw new Error(`${file} has ${size} bytes, its map is of ${mapped}`);
  return { file, map };
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

/** The bytes in chunks: the next one is read while the caller is busy with the last one. */
async function* readSpan(
  file: FileHandle,
  start: number,
  end: number,
  buffers: readonly [Buffer, Buffer],
): AsyncGenerator<Buffer> {
  const read = (offset: number, turn: number): Promise<Buffer> =>
    readExactly(file, turn % 2 === 0 ? buffers[0] : buffers[1], offset, Math.min(CHUNK, end - offset));
  let next = read(start, 0);
  for (let offset = start, turn = 1; offset < end; offset += CHUNK, turn += 1) {
    const chunk = await next;
    if (offset + CHUNK < end) next = read(offset + CHUNK, turn);
    yield chunk;
  }
}
