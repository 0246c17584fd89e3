import { createHash } from "node:crypto";
import { RtkitError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { atMost } from "../pipeline/concurrent.ts";
import type { DiskWriter } from "./disk-writer.ts";
import { countBytes, HEAD_BYTES, type CheckedExtent, type Extent, type SourceExtent } from "./extents.ts";
import type { Piece } from "./image.ts";
import { notAsMapped } from "./image-failures.ts";

/** One more than the writer hashes at once: it has the next when one is done. */
const VERIFIED_AT_ONCE = 3;

/**
 * One disk on the way to an image, in an order that leaves it bootable or refused at every moment: its first sector is
 * wiped before anything else, and gets its bytes after everything else is on the disk, synced and verified. A power cut in
 * between leaves a disk without a partition table, that no firmware starts from.
 */
export class Card {
  readonly #writer: DiskWriter;
  readonly #image: string;
  readonly #holes: { readonly hole: Extent; readonly isZero: Promise<boolean> }[] = [];
  readonly #sums: Promise<void>[] = [];
  readonly #damage: unknown[] = [];
  readonly #copied: (SourceExtent & CheckedExtent)[] = [];

  /** `image`: its name, for errors. */
  constructor(writer: DiskWriter, image: string) {
    this.#writer = writer;
    this.#image = image;
  }

  /**
   * Makes the disk one that nothing starts from, and begins to make it forget what is in the image's holes, which goes on
   * while it is written; see {@link clear}. `imageSize` in bytes where it is known. Throws RTK_FLASH_TOO_SMALL before
   * anything is changed.
   */
  async prepare(imageSize: number | undefined, holes: readonly Extent[]): Promise<void> {
    const { block, size } = this.#writer.disk;
    if (imageSize !== undefined && imageSize > size) throw this.#tooSmall(imageSize);
    await this.#writer.write(0, Buffer.alloc(block));
    await this.#writer.sync();
    // The old partition table's second half, and its copy at the end (UEFI, 5.3.1).
    const head = Math.min(HEAD_BYTES, size);
    await this.#writer.clear({ offset: block, length: head - block });
    await this.#writer.clear({ offset: size - head, length: head });
    let before: Promise<unknown> = Promise.resolve();
    for (const { offset, length } of holes) {
      // The last one ends where the image does, which may be within a sector.
      const hole = { offset, length: this.#padded(length) };
      const isZero = before.then(async () => this.#forget(hole));
      // Looked at by clear; a disk that fails before that fails with something else.
      isZero.catch(() => undefined);
      this.#holes.push({ hole, isZero });
      before = isZero;
    }
  }

  /** Writes a piece behind the head; its buffer must not change before. Throws RTK_FLASH_TOO_SMALL. */
  async write({ offset, bytes, buffer }: Piece): Promise<void> {
    const sectors = this.#padded(bytes.length);
    if (offset + sectors > this.#writer.disk.size) throw this.#tooSmall(offset + bytes.length);
    // Only an image's last piece is no whole number of sectors.
    buffer.fill(0, bytes.length, sectors);
    await this.#writer.write(offset, buffer.subarray(0, sectors));
  }

  /**
   * Has ranges of the image copied that do not come as pieces. What is not verified later is compared with its block map
   * meanwhile, and until {@link sync} is over. `onDone` hears how many bytes were copied so far. Throws RTK_FLASH_DAMAGED
   * when the image is not as mapped.
   */
  async copy(extents: readonly SourceExtent[], verify: boolean, onDone: (bytes: number) => void): Promise<void> {
    let before = 0;
    for (const extent of extents) {
      if (this.#damage.length > 0) throw this.#damage[0];
      const { sha256: mapped } = extent;
      // Where the disk will be read its sum is the proof for the image too: one pass less.
      if (verify && mapped !== undefined) this.#copied.push({ ...extent, sha256: mapped });
      else if (verify || mapped !== undefined) this.#sums.push(this.#sum(extent));
      await this.#writer.copy(extent, (bytes) => onDone(before + bytes));
      before += extent.length;
    }
  }

  /**
   * Sees to it that the image's holes are zeros, so that nothing of what was there shows through: reads those that the disk
   * did not forget, and writes what is none. `onRead` hears how many bytes of how many were read.
   */
  async clear(onRead: (bytes: number, total: number) => void): Promise<void> {
    const left: Extent[] = [];
    for (const { hole, isZero } of this.#holes) if (!(await isZero)) left.push(hole);
    const total = countBytes(left);
    let before = 0;
    for (const hole of left) {
      await this.#writer.clear(hole, (bytes) => onRead(before + bytes, total));
      before += hole.length;
    }
  }

  /** Resolves when all that was written is on the disk. Throws what {@link copy} throws. */
  async sync(): Promise<void> {
    await Promise.all([this.#writer.sync(), ...this.#sums]);
    if (this.#damage.length > 0) throw this.#damage[0];
  }

  /**
   * Reads from the disk itself what was copied, and `sent` ranges, which came as pieces. `onRead` hears how many bytes were
   * read so far. Throws RTK_FLASH_MISMATCH, with the place, at the first that is not as it should be, and RTK_FLASH_DAMAGED
   * where it is the image that is not.
   */
  async verify(sent: readonly CheckedExtent[], onRead: (bytes: number) => void = () => undefined): Promise<void> {
    const read = new Map<Extent, number>();
    const tell = (extent: Extent, bytes: number): void => {
      read.set(extent, bytes);
      onRead([...read.values()].reduce((sum, part) => sum + part, 0));
    };
    await atMost(VERIFIED_AT_ONCE, [...sent, ...this.#copied], async (extent) => {
      if (!(await this.#holds(extent, (bytes) => tell(extent, bytes)))) {
        throw sent.includes(extent) ? this.#mismatch(extent) : await this.#whoseFault(extent);
      }
      tell(extent, extent.length);
    });
  }

  /** Writes the head, its first sector last; from then on the disk is bootable. One that lies about that sector is not. */
  async finish(head: Buffer, verify: boolean): Promise<void> {
    const { block } = this.#writer.disk;
    const padded = Buffer.concat([head, Buffer.alloc(this.#padded(head.length) - head.length)]);
    const parts = [
      { offset: block, bytes: padded.subarray(block) },
      { offset: 0, bytes: padded.subarray(0, block) },
    ].filter(({ bytes }) => bytes.length > 0);
    try {
      for (const { offset, bytes } of parts) {
        await this.#writer.write(offset, bytes);
        await this.#writer.sync();
        const extent = { offset, length: bytes.length, sha256: sha256(bytes) };
        if (verify && !(await this.#holds(extent))) throw this.#mismatch(extent);
      }
    } catch (error) {
      // The first error tells more than that this failed too.
      await this.#writer.write(0, Buffer.alloc(block)).catch(() => undefined);
      throw error;
    }
  }

  async close(): Promise<void> {
    await this.#writer.close();
  }

  /** Sums a range of the image up, for the disk to be verified by; notes where the block map has another sum. */
  async #sum(extent: SourceExtent): Promise<void> {
    try {
      const sum = await this.#writer.sum(extent);
      if (extent.sha256 !== undefined && extent.sha256 !== sum) throw notAsMapped(this.#image, extent);
      this.#copied.push({ ...extent, sha256: sum });
    } catch (error) {
      this.#damage.push(error);
    }
  }

  /** A disk that forgets a range may still show it: only one that shows zeros is believed. */
  async #forget(hole: Extent): Promise<boolean> {
    return (await this.#writer.discard(hole)) && (await this.#writer.glance(hole));
  }

  #padded(bytes: number): number {
    const { block } = this.#writer.disk;
    return Math.ceil(bytes / block) * block;
  }

  async #holds(extent: CheckedExtent, onRead?: (bytes: number) => void): Promise<boolean> {
    return (await this.#writer.hash(extent, onRead)) === extent.sha256;
  }

  /** Of a copied range that is not as it should be: the disk's, in the first MiB that is not the image's, or the image's. */
  async #whoseFault(extent: CheckedExtent): Promise<unknown> {
    const offset = await this.#writer.compare(extent);
    if (offset !== undefined) {
      return this.#mismatch({ offset, length: Math.min(1024 ** 2, extent.offset + extent.length - offset) });
    }
    // A disk that has other bytes now than a moment ago is as bad.
    return (await this.#holds(extent)) ? this.#mismatch(extent) : notAsMapped(this.#image, extent);
  }

  #mismatch({ offset, length }: Extent): RtkitError {
    const { path } = this.#writer;
    return new RtkitError(
      "RTK_FLASH_MISMATCH",
      `${path} does not hold what was written: bytes ${offset} to ${offset + length - 1} (at ${formatSize(offset)}) are others`,
      {
        hint: "the card is broken, or has less room than it claims, or its reader is bad: nothing starts from it; use another",
      },
    );
  }

  #tooSmall(imageBytes: number): RtkitError {
    const { path, disk } = this.#writer;
    return new RtkitError(
      "RTK_FLASH_TOO_SMALL",
      `${path} has ${disk.size} bytes (${formatSize(disk.size)}), the image ${imageBytes} (${formatSize(imageBytes)}) or more`,
      { hint: "use a larger card" },
    );
  }
}

function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}
