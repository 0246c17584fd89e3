import { read as readFd } from "node:fs";
import type { Readable } from "node:stream";
import { setTimeout as sleep } from "node:timers/promises";
import { promisify } from "node:util";
import { errnoCode } from "../core/errors.ts";

/**
 * Bytes that come one after the other. Into buffers of the reader's, because Node's streams make a new one for every few
 * KiB, and hundreds of MiB of them pile up before they are collected.
 */
export interface ByteSource {
  /** Reads some bytes, as many as fit at the most; 0 at the end. */
  read(into: Buffer): Promise<number>;
  /** Bytes that came so far. */
  count(): number;
  close(): Promise<void>;
}

const readInto = promisify(readFd);

/** A pipe that whoever gave it to us does not let block has nothing now. */
const AGAIN_MS = 10;

/** A file or a pipe that is open. `close` closes it. */
export function fromFd(fd: number, close: () => Promise<void>): ByteSource {
  let count = 0;
  return {
    async read(into): Promise<number> {
      for (;;) {
        try {
          const { bytesRead } = await readInto(fd, into, 0, into.length, null);
          count += bytesRead;
          return bytesRead;
        } catch (error) {
          if (errnoCode(error) !== "EAGAIN") throw error;
          await sleep(AGAIN_MS);
        }
      }
    },
    count: () => count,
    close,
  };
}

/** For what comes as a stream only. */
export function fromStream(stream: Readable): ByteSource {
  const chunks = stream[Symbol.asyncIterator]() as AsyncIterator<Buffer>;
  let chunk = Buffer.alloc(0);
  let count = 0;
  return {
    async read(into): Promise<number> {
      if (chunk.length === 0) {
        const next = await chunks.next();
        if (next.done === true) return 0;
        chunk = next.value as Buffer<ArrayBuffer>;
      }
      const bytes = chunk.copy(into);
      chunk = chunk.subarray(bytes);
      count += bytes;
      return bytes;
    },
    count: () => count,
    close: async () => void stream.destroy(),
  };
}

/** A source's first bytes, fewer only where it ends before, and the whole source again from its beginning. */
export async function peek(
  source: ByteSource,
  bytes: number,
): Promise<{ readonly start: Buffer; readonly whole: ByteSource }> {
  const buffer = Buffer.alloc(bytes);
  const start = buffer.subarray(0, await readFully(source, buffer));
  let rest = start;
  const whole: ByteSource = {
    ...source,
    async read(into): Promise<number> {
      if (rest.length === 0) return source.read(into);
      const copied = rest.copy(into);
      // Whatever is left of a buffer keeps all of it in memory.
      rest = copied === rest.length ? Buffer.alloc(0) : rest.subarray(copied);
      return copied;
    },
  };
  return { start, whole };
}

/** Fills a buffer as far as there are bytes; returns how many there were. */
export async function readFully(source: ByteSource, into: Buffer): Promise<number> {
  let filled = 0;
  while (filled < into.length) {
    const bytes = await source.read(into.subarray(filled));
    if (bytes === 0) break;
    filled += bytes;
  }
  return filled;
}
