import type { Buffers } from "./buffers.ts";
import { peek, readFully, type ByteSource } from "./byte-source.ts";
import { inPieces, type Extent } from "./extents.ts";
import { damaged } from "./image-failures.ts";
import type { ImageSource, Piece } from "./image.ts";
import type { Sums } from "./sums.ts";

/** What is known of an image that comes by. */
export interface StreamFacts {
  readonly name: string;
  /** For error messages. */
  readonly path: string;
  /** See {@link ImageSource}. */
  readonly size: number | undefined;
  readonly sums: Sums | undefined;
  readonly progress: () => number | undefined;
}

/** An image that comes by once, from a pipe or out of a decompressor. */
export class ImageStream implements ImageSource {
  readonly name: string;
  readonly size: number | undefined;
  readonly file = undefined;
  readonly progress: () => number | undefined;
  readonly #path: string;
  readonly #sums: Sums | undefined;
  #source: ByteSource;
  /** Bytes of the image that have gone by. */
  #at = 0;

  constructor(source: ByteSource, { name, path, size, sums, progress }: StreamFacts) {
    this.name = name;
    this.size = size;
    this.progress = progress;
    this.#path = path;
    this.#sums = sums;
    this.#source = source;
  }

  async head(bytes: number): Promise<Buffer> {
    const { start, whole } = await peek(this.#source, bytes).catch((error: unknown) => {
      throw damaged(this.#path, error);
    });
    this.#source = whole;
    return start;
  }

  async *pieces(extents: readonly Extent[], buffers: Buffers, size = this.size): AsyncGenerator<Piece> {
    try {
      for (const { offset, length } of inPieces(extents)) {
        const buffer = await buffers.take();
        await this.#skipTo(offset, buffer);
        const bytes = buffer.subarray(0, await this.#fill(buffer.subarray(0, length)));
        if (bytes.length === 0) {
          buffers.give(buffer);
          break;
        }
        yield { offset, bytes, buffer };
      }
      const rest = await buffers.take();
      await this.#skipTo(Infinity, rest);
      buffers.give(rest);
    } catch (error) {
      throw damaged(this.#path, error);
    }
    if (size !== undefined && this.#at !== size) {
      throw damaged(this.#path, new Error(`it has ${this.#at} bytes and not ${size}`));
    }
    this.#sums?.check();
  }

  async close(): Promise<void> {
    await this.#source.close();
  }

  /** Goes on to a place, or to the end where that comes first; what goes by is in `buffer` and of no use. */
  async #skipTo(offset: number, buffer: Buffer): Promise<void> {
    while (this.#at < offset) {
      const wanted = Math.min(offset - this.#at, buffer.length);
      if ((await this.#fill(buffer.subarray(0, wanted))) < wanted) return;
    }
  }

  async #fill(into: Buffer): Promise<number> {
    const filled = await readFully(this.#source, into);
    this.#at += filled;
    this.#sums?.addUnpacked(into.subarray(0, filled));
    return filled;
  }
}
