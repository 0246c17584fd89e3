import type { FileHandle } from "node:fs/promises";
import { errnoCode } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { fromFd, type ByteSource } from "./byte-source.ts";
import { makePipe } from "./pipe.ts";

/** How an image file is packed. */
export type Compression = "none" | "gzip" | "zstd" | "xz" | "bzip2" | "zip";

/** Bytes at the front of a file that {@link compressionOf} looks at. */
export const MAGIC_BYTES = 6;

/** First bytes: RFC 1952, RFC 8878, the .xz file format 1.2, bzip2's BZ_HDR, APPNOTE.TXT 4.3.7. */
const MAGIC: readonly [Compression, readonly number[]][] = [
  ["gzip", [0x1f, 0x8b]],
  ["zstd", [0x28, 0xb5, 0x2f, 0xfd]],
  ["xz", [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00]],
  ["bzip2", [0x42, 0x5a, 0x68]],
  ["zip", [0x50, 0x4b, 0x03, 0x04]],
];

/** What a file's first bytes say; its name may say anything. */
export function compressionOf(start: Uint8Array): Compression {
  return MAGIC.find(([, bytes]) => bytes.every((byte, index) => start[index] === byte))?.[0] ?? "none";
}

/** A file that is open, which a program reads by itself from where it is. */
export interface OpenFile {
  readonly fd: number;
  readonly close: () => Promise<void>;
}

/** Each is its own name, but for xz. */
const DEBIAN_PACKAGES: Readonly<Record<string, string>> = { xz: "xz-utils" };

/**
 * The bytes behind packed ones, several members or frames after one another included, by the host's program of that name
 * (RTK_EXEC_MISSING): it runs on another CPU, and what is damaged fails as it says it.
 */
export async function decompress(
  program: "gzip" | "zstd" | "xz" | "bzip2",
  packed: OpenFile | ByteSource,
  signal: AbortSignal,
): Promise<ByteSource> {
  return fromProgram(program, ["--decompress", "--stdout"], packed, signal);
}

/**
 * What comes through a pipe, named or standard input. `cat` stands between, because nothing ends our own open(2) and
 * read(2) of a pipe that nobody writes to.
 */
export async function fromPipe(path: string | OpenFile, signal: AbortSignal): Promise<ByteSource> {
  const nothing: OpenFile = { fd: -1, close: async () => undefined };
  return typeof path === "string"
    ? fromProgram("cat", ["--", path], nothing, signal)
    : fromProgram("cat", [], path, signal);
}

/** What a program prints, fed with `input`; a file descriptor of -1 is no input. Closing it ends the program. */
async function fromProgram(
  program: string,
  words: readonly string[],
  input: OpenFile | ByteSource,
  signal: AbortSignal,
): Promise<ByteSource> {
  const feeding = "fd" in input ? undefined : await makePipe();
  const output = await makePipe();
  const stop = new AbortController();
  const stdin = "fd" in input ? input.fd : feeding?.read.fd;
  const running = exec(program, words, {
    ...(stdin === undefined || stdin < 0 ? {} : { stdin }),
    stdout: output.write.fd,
    signal: AbortSignal.any([signal, stop.signal]),
    installHint: `apt-get install ${DEBIAN_PACKAGES[program] ?? program}`,
  });
  // It is heard where the output ends.
  running.catch(() => undefined);
  await output.write.close();
  await feeding?.read.close();
  if (feeding !== undefined && !("fd" in input)) {
    feed(input, feeding.write).catch((error: unknown) => stop.abort(error));
  }
  const printed = fromFd(output.read.fd, async () => {
    stop.abort();
    await running.catch(() => undefined);
    await output.read.close();
    await input.close();
  });
  return {
    ...printed,
    async read(into): Promise<number> {
      const bytes = await printed.read(into);
      // Output ends for a program that gave up too.
      if (bytes === 0) await running;
      return bytes;
    },
  };
}

/** Gives a program all there is; one that wants no more says why by itself. */
async function feed(source: ByteSource, pipe: FileHandle): Promise<void> {
  const chunk = Buffer.alloc(PIPE_BYTES);
  try {
    for (;;) {
      const bytes = await source.read(chunk);
      if (bytes === 0) return;
      for (let at = 0; at < bytes;) at += (await pipe.write(chunk, at, bytes - at)).bytesWritten;
    }
  } catch (error) {
    if (errnoCode(error) !== "EPIPE") throw error;
  } finally {
    await pipe.close();
  }
}

/** What a pipe holds, pipe(7). */
const PIPE_BYTES = 65_536;
