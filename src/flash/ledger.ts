import { createHash, type Hash } from "node:crypto";
import { crc32 } from "node:zlib";
import { HEAD_BYTES, type CheckedExtent, type Extent } from "./extents.ts";
import { damaged } from "./image-failures.ts";
import type { Patch } from "./settings-patch.ts";

/** Bytes of one CRC-32, from the beginning of each piece on; src/flash/writer.py counts the same. */
export const SUM_BYTES = 1024 ** 2;

/** Where there is no block map, so much is verified at once, in bytes. */
const SLICE_BYTES = 64 * 1024 ** 2;

/** A part of the image, while its bytes come. */
interface Span extends Extent {
  readonly source: { readonly hash: Hash; readonly sha256: string } | undefined;
  /** Of what is written behind the head; undefined where that is the source's. */
  readonly written: Hash | undefined;
}

/**
 * Goes along with an image while it is read: checks it against its block map, puts patches in, and keeps the sums of what
 * is written, for the disk to be verified by. The head is not among them: it is written later.
 */
export class Ledger {
  /** What was written behind the head, in ascending order. */
  readonly written: CheckedExtent[] = [];
  /** CRC-32 by place: they tell where a range is bad whose sha256 is another. */
  readonly sums = new Map<number, number>();
  readonly #image: string;
  readonly #ranges: readonly CheckedExtent[] | undefined;
  readonly #patches: readonly Patch[];
  #next = 0;
  #span: Span | undefined;
  #end = 0;

  /** `image`: its name, for errors. `ranges`: of the block map, undefined where there is none. */
  constructor(image: string, ranges: readonly CheckedExtent[] | undefined, patches: readonly Patch[]) {
    this.#image = image;
    this.#ranges = ranges;
    this.#patches = patches;
  }

  /**
   * Takes the next bytes, a piece as inPieces makes them, and patches them. Throws RTK_FLASH_DAMAGED when a range is not
   * what the map says.
   */
  add(offset: number, bytes: Buffer): void {
    const span = (this.#span ??= this.#begin(offset));
    span.source?.hash.update(bytes);
    for (const patch of this.#patches) overlay(bytes, offset, patch);
    if (offset >= HEAD_BYTES) {
      span.written?.update(bytes);
      for (let at = 0; at < bytes.length; at += SUM_BYTES) {
        this.sums.set(offset + at, crc32(bytes.subarray(at, at + SUM_BYTES)));
      }
    }
    this.#end = offset + bytes.length;
    if (this.#end === span.offset + span.length) this.#finish(span);
  }

  /** There are no more bytes. Throws RTK_FLASH_DAMAGED when the map has more. */
  end(): void {
    const span = this.#span;
    if (this.#ranges !== undefined && (span !== undefined || this.#next < this.#ranges.length)) {
      throw damaged(this.#image, new Error(`it ends at byte ${this.#end}`));
    }
    if (span !== undefined) this.#finish(span);
  }

  #begin(offset: number): Span {
    const range = this.#ranges?.[this.#next++];
    if (range === undefined) {
      const length = SLICE_BYTES - (offset % SLICE_BYTES);
      return { offset, length, source: undefined, written: createHash("sha256") };
    }
    const isSource = range.offset >= HEAD_BYTES && !this.#patches.some((patch) => overlaps(range, patch));
    return {
      offset: range.offset,
      length: range.length,
      source: { hash: createHash("sha256"), sha256: range.sha256 },
      written: isSource ? undefined : createHash("sha256"),
    };
  }

  #finish({ offset, source, written }: Span): void {
    this.#span = undefined;
    const sha256 = source?.hash.digest("hex");
    if (source !== undefined && sha256 !== source.sha256) {
      throw damaged(this.#image, new Error(`bytes ${offset} to ${this.#end - 1} are not what its block map says`));
    }
    const start = Math.max(offset, HEAD_BYTES);
    if (this.#end <= start) return;
    this.written.push({
      offset: start,
      length: this.#end - start,
      sha256: written?.digest("hex") ?? sha256 ?? "",
    });
  }
}

function overlaps({ offset, length }: Extent, patch: Patch): boolean {
  return patch.offset < offset + length && patch.offset + patch.bytes.length > offset;
}

function overlay(bytes: Buffer, offset: number, patch: Patch): void {
  const start = Math.max(offset, patch.offset);
  const end = Math.min(offset + bytes.length, patch.offset + patch.bytes.length);
  if (start < end) patch.bytes.copy(bytes, start - offset, start - patch.offset, end - patch.offset);
}
