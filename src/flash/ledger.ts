import { createHash, type Hash } from "node:crypto";
import { HEAD_BYTES, SLICE_BYTES, type CheckedExtent, type Extent, type SourceExtent } from "./extents.ts";
import { damaged, notAsMapped } from "./image-failures.ts";
import { isPatched, type Patch } from "./settings-patch.ts";

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
  readonly #image: string;
  readonly #extents: readonly SourceExtent[];
  readonly #patches: readonly Patch[];
  #next = 0;
  #span: Span | undefined;
  #end = 0;

  /** `image`: its name, for errors. `extents`: what will come, in ascending order; one may be endless. */
  constructor(image: string, extents: readonly SourceExtent[], patches: readonly Patch[]) {
    this.#image = image;
    this.#extents = extents;
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
    if (offset >= HEAD_BYTES) span.written?.update(bytes);
    this.#end = offset + bytes.length;
    if (this.#end === span.offset + span.length) this.#finish(span);
  }

  /** There are no more bytes. Throws RTK_FLASH_DAMAGED when the map has more. */
  end(): void {
    const last = this.#extents.at(-1);
    if (last?.sha256 !== undefined && this.#end < last.offset + last.length) {
      throw damaged(this.#image, new Error(`it ends at byte ${this.#end}`));
    }
    if (this.#span !== undefined) this.#finish(this.#span);
  }

  #begin(offset: number): Span {
    let extent = this.#extents[this.#next];
    while (extent !== undefined && extent.offset + extent.length <= offset) extent = this.#extents[++this.#next];
    if (extent?.sha256 === undefined) {
      const end = extent === undefined ? Infinity : extent.offset + extent.length;
      const length = Math.min(SLICE_BYTES - (offset % SLICE_BYTES), end - offset);
      return { offset, length, source: undefined, written: createHash("sha256") };
    }
    const isSource = extent.offset >= HEAD_BYTES && !isPatched(extent, this.#patches);
    return {
      offset: extent.offset,
      length: extent.length,
      source: { hash: createHash("sha256"), sha256: extent.sha256 },
      written: isSource ? undefined : createHash("sha256"),
    };
  }

  #finish({ offset, source, written }: Span): void {
    this.#span = undefined;
    const sha256 = source?.hash.digest("hex");
    if (source?.sha256 !== sha256) throw notAsMapped(this.#image, { offset, length: this.#end - offset });
    const start = Math.max(offset, HEAD_BYTES);
    if (this.#end <= start) return;
    this.written.push({
      offset: start,
      length: this.#end - start,
      sha256: written?.digest("hex") ?? sha256 ?? "",
    });
  }
}

function overlay(bytes: Buffer, offset: number, patch: Patch): void {
  const start = Math.max(offset, patch.offset);
  const end = Math.min(offset + bytes.length, patch.offset + patch.bytes.length);
  if (start < end) patch.bytes.copy(bytes, start - offset, start - patch.offset, end - patch.offset);
}
