/** A range of bytes of an image or a disk. */
export interface Extent {
  readonly offset: number;
  readonly length: number;
}

/** A range that has to be written, with the sha256, in hex, of what has to be there. */
export interface CheckedExtent extends Extent {
  readonly sha256: string;
}

/**
 * A range that has to be written; `sha256` of what the image has there, undefined where no block map says it. Where
 * `sumFrom` is before `offset`, the sum is of the image's bytes from there on.
 */
export interface SourceExtent extends Extent {
  readonly sha256: string | undefined;
  readonly sumFrom?: number;
}

/** The most that is read, sent or written at once, in bytes; src/flash/writer.py has buffers of this size. */
export const CHUNK_BYTES = 4 * 1024 ** 2;

/** Where there is no block map, so much is verified at once, in bytes. */
export const SLICE_BYTES = 64 * 1024 ** 2;

/**
 * The part of a disk that is written last, in bytes: the partition table, and in the gap behind it all that the boot
 * ROMs of boards read without one (raw loaders at 1 KiB, 8 KiB, 32 KiB).
 */
export const HEAD_BYTES = 1024 ** 2;

/** What lies between extents, which ascend, up to `size`: nothing of it has to be written. */
export function holesBetween(extents: readonly Extent[], size: number): Extent[] {
  const holes: Extent[] = [];
  let at = 0;
  for (const { offset, length } of extents) {
    if (offset > at) holes.push({ offset: at, length: offset - at });
    at = offset + length;
  }
  if (at < size) holes.push({ offset: at, length: size - at });
  return holes;
}

/** The parts of extents behind the head. */
export function behindHead(extents: readonly Extent[]): Extent[] {
  return extents.flatMap(({ offset, length }) => {
    const start = Math.max(offset, HEAD_BYTES);
    const end = offset + length;
    return end > start ? [{ offset: start, length: end - start }] : [];
  });
}

/**
 * Extents in pieces of at most {@link CHUNK_BYTES}. No piece lies on both sides of the head's end or of a multiple of
 * CHUNK_BYTES. An extent may be endless: then so are its pieces.
 */
export function* inPieces(extents: readonly Extent[]): Generator<Extent> {
  for (const { offset, length } of extents) {
    const end = offset + length;
    for (let at = offset; at < end;) {
      const next = at < HEAD_BYTES ? HEAD_BYTES : (Math.floor(at / CHUNK_BYTES) + 1) * CHUNK_BYTES;
      yield { offset: at, length: Math.min(next, end) - at };
      at = next;
    }
  }
}

/** Bytes in all extents. */
export function countBytes(extents: readonly Extent[]): number {
  return extents.reduce((sum, { length }) => sum + length, 0);
}
