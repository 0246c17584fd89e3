import type { FileHandle } from "node:fs/promises";
import { basename, resolve } from "node:path";
import type { Buffers } from "./buffers.ts";
import { countBytes, inPieces, type Extent } from "./extents.ts";
import { damaged } from "./image-failures.ts";
import type { ImageSource, Piece, PlainFile } from "./image.ts";

/** An image as it lies on the disk: what is not wanted of it is not read. */
export class ImageFile implements ImageSource {
  readonly name: string;
  readonly size: number;
  readonly file: PlainFile;
  readonly #path: string;
  readonly #handle: FileHandle;
  #read = 0;
  #wanted = Infinity;

  private constructor(path: string, handle: FileHandle, size: number, file: PlainFile) {
    this.name = basename(path);
    this.size = size;
    this.file = file;
    this.#path = path;
    this.#handle = handle;
  }

  /** `handle`: of the file at `path`. */
  static async of(path: string, handle: FileHandle): Promise<ImageFile> {
    const { dev, ino, size, mtimeNs } = await handle.stat({ bigint: true });
    const identity = [dev, ino, size, mtimeNs].join(":");
    return new ImageFile(path, handle, Number(size), { path: resolve(path), identity });
  }

  async head(bytes: number): Promise<Buffer> {
    const head = Buffer.alloc(Math.min(bytes, this.size));
    await this.#fill(head, 0);
    return head;
  }

  async *pieces(extents: readonly Extent[], buffers: Buffers): AsyncGenerator<Piece> {
    const within = extents.map(({ offset, length }) => {
      if (length !== Infinity && offset + length > this.size) {
        throw damaged(this.#path, new Error(`it ends at byte ${this.size}`));
      }
      return { offset, length: Math.min(length, this.size - offset) };
    });
    this.#wanted = countBytes(within);
    for (const { offset, length } of inPieces(within)) {
      const buffer = await buffers.take();
      const bytes = buffer.subarray(0, length);
      await this.#fill(bytes, offset);
      this.#read += length;
      yield { offset, bytes, buffer };
    }
  }

  progress(): number {
    return this.#read / this.#wanted;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }

  async #fill(bytes: Buffer, offset: number): Promise<void> {
    for (let at = 0; at < bytes.length;) {
      const { bytesRead } = await this.#handle.read(bytes, at, bytes.length - at, offset + at);
      if (bytesRead === 0) throw damaged(this.#path, new Error(`it ends at byte ${offset + at}`));
      at += bytesRead;
    }
  }
}
