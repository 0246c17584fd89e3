/**
 * Which blocks of an image must be written to a device, and their checksums. Blocks outside the ranges hold nothing
 * that anybody reads.
 */
export interface BlockMap {
  /** Size of the mapped file in bytes. */
  readonly size: number;
  /** Ascending. */
  readonly ranges: readonly BlockRange[];
}

/** Blocks `first` to `last`, both included, counted in units of {@link BLOCK_SIZE}. */
export interface BlockSpan {
  readonly first: number;
  readonly last: number;
}

/** A span with the sha256, in hex, of its bytes. */
export interface BlockRange extends BlockSpan {
  readonly sha256: string;
}

/** Bytes in a block of a map: ext4's own block size, and what bmaptool uses. */
export const BLOCK_SIZE = 4096;

/** Number of blocks in all spans. */
export function countBlocks(spans: readonly BlockSpan[]): number {
  return spans.reduce((sum, { first, last }) => sum + last - first + 1, 0);
}

/** Spans in ascending order, those that overlap, touch, or are at most `gap` blocks apart made into one. */
export function mergeSpans(spans: readonly BlockSpan[], gap = 0): BlockSpan[] {
  const merged: BlockSpan[] = [];
  for (const span of spans.toSorted((a, b) => a.first - b.first)) {
    const previous = merged.at(-1);
    if (previous === undefined || span.first > previous.last + 1 + gap) merged.push({ ...span });
    else merged[merged.length - 1] = { first: previous.first, last: Math.max(previous.last, span.last) };
  }
  return merged;
}

/** Ranges as they lie in a disk image whose partition starts at `offset` bytes (a multiple of {@link BLOCK_SIZE}). */
export function shiftRanges(ranges: readonly BlockRange[], offset: number): BlockRange[] {
  const blocks = offset / BLOCK_SIZE;
  if (!Number.isInteger(blocks)) throw new Error(`offset ${offset} is not a multiple of ${BLOCK_SIZE}`);
  return ranges.map(({ first, last, sha256 }) => ({ first: first + blocks, last: last + blocks, sha256 }));
}
