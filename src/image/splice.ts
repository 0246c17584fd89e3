import { createHash } from "node:crypto";
import type { FileHandle } from "node:fs/promises";
import { readExactly } from "./map-file.ts";

/** Bytes `start` to `end` (not included) of the target, taken from `source` at `start - sourceStart`. */
export interface Segment {
  readonly start: number;
  readonly end: number;
  readonly source: FileHandle;
  readonly sourceStart: number;
}

const CHUNK = 4 * 1024 ** 2;

/**
 * Copies segments (ascending, not overlapping) into a sparse target and returns the sha256, in hex, of the whole target, with
 * zeros between the segments. Each chunk is written, and the next one read, while it is hashed. A segment whose source
 * is the target itself is only hashed.
 */
export async function splice(
  target: FileHandle,
  size: number,
  segments: readonly Segment[],
  signal: AbortSignal,
): Promise<string> {
  const hash = createHash("sha256");
  const zeros = Buffer.alloc(CHUNK);
  const hashZeros = (length: number): void => {
    for (let rest = length; rest > 0; rest -= CHUNK) hash.update(rest < CHUNK ? zeros.subarray(0, rest) : zeros);
  };
  const pieces = segments.flatMap(cut);
  const buffers = [Buffer.allocUnsafe(CHUNK), Buffer.allocUnsafe(CHUNK)] as const;
  const read = (index: number): Promise<Buffer> | undefined => {
    const piece = pieces[index];
    if (piece === undefined) return undefined;
    const buffer = index % 2 === 0 ? buffers[0] : buffers[1];
    return readExactly(piece.source, buffer, piece.start - piece.sourceStart, piece.end - piece.start);
  };
  let done = 0;
  let next = read(0);
  for (const [index, piece] of pieces.entries()) {
    signal.throwIfAborted();
    const chunk = await next;
    if (chunk === undefined) break;
    const following = read(index + 1);
    const written = piece.source === target ? undefined : writeAll(target, chunk, piece.start);
    hashZeros(piece.start - done);
    hash.update(chunk);
    done = piece.end;
    await Promise.all([written, following]);
    next = following;
  }
  hashZeros(size - done);
  return hash.digest("hex");
}

function cut({ start, end, source, sourceStart }: Segment): Segment[] {
  const count = Math.ceil((end - start) / CHUNK);
  return Array.from({ length: count }, (_, index) => {
    const from = start + index * CHUNK;
    return { start: from, end: Math.min(from + CHUNK, end), source, sourceStart };
  });
}

async function writeAll(file: FileHandle, buffer: Buffer, position: number): Promise<void> {
  for (let done = 0; done < buffer.length;) {
    const { bytesWritten } = await file.write(buffer, done, buffer.length - done, position + done);
    done += bytesWritten;
  }
}
