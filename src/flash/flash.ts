import { RtkitError } from "../core/errors.ts";
import { Buffers } from "./buffers.ts";
import { Card } from "./card.ts";
import { DiskWriter } from "./disk-writer.ts";
import { divide, type Division } from "./division.ts";
import { behindHead, countBytes, HEAD_BYTES, holesBetween, type CheckedExtent } from "./extents.ts";
import type { ImageSource, Piece } from "./image.ts";
import { Ledger } from "./ledger.ts";
import type { Patch } from "./settings-patch.ts";

/** What happens to a disk, in this order. */
export type Phase = "wipe" | "write" | "clear" | "sync" | "verify" | "finish";

/** Hears how far a disk is. */
export interface Progress {
  begin(phase: Phase): void;
  /** Bytes done in this phase, and how many there will be, where that is known. */
  at(bytes: number, total: number | undefined): void;
  /** The image is on the disk, whole. */
  done(): void;
}

/** What goes onto disks. */
export interface FlashOptions {
  readonly image: ImageSource;
  /** The block map; undefined where there is none, and all of the image is written. */
  readonly map: { readonly size: number; readonly ranges: readonly CheckedExtent[] } | undefined;
  readonly patches: readonly Patch[];
  /** Whether to read back what was written. */
  readonly verify: boolean;
  readonly signal: AbortSignal;
}

/** One disk, e.g. `/dev/sda`; nothing of it is mounted. */
export interface FlashTarget {
  readonly path: string;
  /** What the disk was when it was chosen; undefined where there was no question. */
  readonly chosen: { readonly sizeBytes: number; readonly sequence: number | undefined } | undefined;
  readonly progress: Progress;
}

/** What became of one disk. */
export interface Flashed {
  readonly path: string;
  /** Bytes written; holes of the image are not. */
  readonly bytes: number;
  readonly verified: boolean;
  /** Why the image is not on it. */
  readonly error: RtkitError | undefined;
}

/** So many that the image, the way to the disk and the disk are busy at the same time. */
const BUFFER_COUNT = 3;

/**
 * Writes an image to disks, all at the same time, reading it once; a disk that fails does not disturb the others. `onOpen`
 * is called when no more passwords will be asked for. Throws
 * what the image fails with, and the signal's reason: no disk is bootable then.
 */
export async function flash(
  options: FlashOptions,
  targets: readonly FlashTarget[],
  onOpen: () => void = () => undefined,
): Promise<Flashed[]> {
  const { image, map, patches, verify, signal } = options;
  const jobs = targets.map((target) => new Job(target));
  const closeAll = async (): Promise<void> => {
    await Promise.all(jobs.map(async (job) => job.close()));
  };
  const each = async (phase: Phase, work: (card: Card, progress: Progress) => Promise<void>): Promise<void> => {
    await Promise.all(jobs.map(async (job) => job.run(phase, work)));
    signal.throwIfAborted();
  };
  const division = divide(image, map?.ranges, patches);
  const ledger = new Ledger(image.name, division.sent, patches);
  let head: Buffer;
  signal.addEventListener("abort", closeAll);
  try {
    signal.throwIfAborted();
    // One after the other: each may ask for a password.
    for (const job of jobs) {
      await job.open(image);
      signal.throwIfAborted();
    }
    onOpen();
    const holes = map === undefined ? [] : behindHead(holesBetween(map.ranges, map.size));
    await each("wipe", async (card) => card.prepare(map?.size ?? image.size, holes));
    head = await send(options, division, ledger, jobs);
    const { copied } = division;
    const sentBytes = head.length + countBytes(ledger.written);
    await each("write", async (card, progress) =>
      card.copy(copied, verify, (bytes) => progress.at(sentBytes + bytes, sentBytes + countBytes(copied))),
    );
    await each("clear", async (card, progress) => card.clear((bytes, total) => progress.at(bytes, total)));
    await each("sync", async (card) => card.sync());
    if (verify) {
      const total = countBytes(ledger.written) + countBytes(copied);
      await each("verify", async (card, progress) => card.verify(ledger.written, (bytes) => progress.at(bytes, total)));
    }
    await each("finish", async (card, progress) => {
      await card.finish(head, verify);
      progress.done();
    });
  } finally {
    signal.removeEventListener("abort", closeAll);
    await closeAll();
    await image.close();
  }
  const bytes = head.length + countBytes(ledger.written) + countBytes(division.copied);
  return jobs.map((job) => job.result(bytes, verify));
}

/** Writes what is sent of the image but its head, which it returns. */
async function send(
  { image, map, signal }: FlashOptions,
  { sent }: Division,
  ledger: Ledger,
  jobs: readonly Job[],
): Promise<Buffer> {
  const buffers = new Buffers(BUFFER_COUNT);
  const total = map === undefined ? image.size : countBytes(map.ranges);
  const head = Buffer.alloc(HEAD_BYTES);
  let headBytes = Math.min(HEAD_BYTES, map?.size ?? 0);
  let written = 0;
  const write = async (piece: Piece): Promise<void> => {
    await Promise.all(jobs.map(async (job) => job.run("write", async (card) => card.write(piece))));
    written += piece.bytes.length;
    for (const { progress } of jobs) progress.at(written, total);
    buffers.give(piece.buffer);
  };
  for await (const piece of image.pieces(sent, buffers, map?.size)) {
    signal.throwIfAborted();
    if (jobs.every(({ failed }) => failed)) return head;
    ledger.add(piece.offset, piece.bytes);
    if (piece.offset < HEAD_BYTES) {
      piece.bytes.copy(head, piece.offset);
      headBytes = Math.max(headBytes, piece.offset + piece.bytes.length);
      buffers.give(piece.buffer);
      continue;
    }
    void write(piece);
  }
  ledger.end();
  await buffers.allBack();
  signal.throwIfAborted();
  return head.subarray(0, headBytes);
}

/** One disk, until it is done or has failed. */
class Job {
  readonly path: string;
  readonly progress: Progress;
  readonly #chosen: FlashTarget["chosen"];
  #card: Card | undefined;
  #phase: Phase | undefined;
  #error: unknown;

  constructor({ path, chosen, progress }: FlashTarget) {
    this.path = path;
    this.#chosen = chosen;
    this.progress = progress;
  }

  get failed(): boolean {
    return this.#error !== undefined;
  }

  async open({ name, file }: ImageSource): Promise<void> {
    await this.#attempt(async () => {
      const writer = await DiskWriter.open(this.path, file);
      this.#card = new Card(writer, name);
      const { size, sequence } = writer.disk;
      const was = this.#chosen;
      if (was === undefined || (size === was.sizeBytes && sequence === (was.sequence ?? sequence))) return;
      throw new RtkitError("RTK_FLASH_CHANGED", `${this.path} is another disk now than the one that was chosen`, {
        hint: "nothing was written to it; choose again",
      });
    });
  }

  /** Does a part of the work, unless an earlier part has failed. */
  async run(phase: Phase, work: (card: Card, progress: Progress) => Promise<void>): Promise<void> {
    const card = this.#card;
    if (card === undefined || this.failed) return;
    if (this.#phase !== phase) this.progress.begin(phase);
    this.#phase = phase;
    await this.#attempt(async () => work(card, this.progress));
  }

  async close(): Promise<void> {
    await this.#card?.close();
  }

  /** Throws what no disk can be blamed for. */
  result(bytes: number, verify: boolean): Flashed {
    const error = this.#error;
    if (error === undefined) return { path: this.path, bytes, verified: verify, error };
    if (!(error instanceof RtkitError) || error.code === "RTK_FLASH_DAMAGED") throw error;
    return { path: this.path, bytes: 0, verified: false, error };
  }

  async #attempt(work: () => Promise<void>): Promise<void> {
    try {
      await work();
    } catch (error) {
      this.#error ??= error;
      // Lets the disk go at once: it can be pulled while others go on.
      void this.close();
    }
  }
}
