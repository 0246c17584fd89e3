import { readFileSync } from "node:fs";
import { open, stat } from "node:fs/promises";
import { basename } from "node:path";
import { isatty } from "node:tty";
import { errnoCode } from "../core/errors.ts";
import { fromFd, fromStream, peek, type ByteSource } from "./byte-source.ts";
import { compressionOf, decompress, fromPipe, MAGIC_BYTES } from "./compression.ts";
import { unreadable } from "./image-failures.ts";
import { ImageFile } from "./image-file.ts";
import type { ImageSource } from "./image.ts";
import { ImageStream } from "./image-stream.ts";
import { packedImageSize } from "./packed-size.ts";
import { Sums } from "./sums.ts";

/** What {@link openImage} is told. */
export interface ImageOptions {
  /** A file, a named pipe, or `-` for standard input. */
  readonly path: string;
  /** What the sha256, in hex, of the file or of the image in it must be. */
  readonly sha256?: string;
  /** The file descriptor of standard input. */
  readonly stdin: number;
  readonly signal: AbortSignal;
}

/** Opens an image, packed or not, as its first bytes say. Throws RTK_FLASH_IMAGE where there is none. */
export async function openImage(options: ImageOptions): Promise<ImageSource> {
  const { path, sha256 } = options;
  if (path === "-") {
    if (isatty(options.stdin)) throw unreadable("standard input", "is a terminal", { hint: "pipe an image into it" });
    return openPipe(options, await fromPipe({ fd: options.stdin, close: async () => undefined }, options.signal));
  }
  const info = await stat(path).catch((error: unknown) => {
    throw unreadable(path, errnoCode(error) === "ENOENT" ? "does not exist" : "cannot be read", { cause: error });
  });
  if (info.isDirectory()) throw unreadable(path, "is a folder");
  if (!info.isFile() && !info.isBlockDevice()) return openPipe(options, await fromPipe(path, options.signal));
  const file = await open(path).catch((error: unknown) => {
    throw unreadable(path, "cannot be read", { cause: error });
  });
  if (info.isBlockDevice()) {
    const device = fromFd(file.fd, async () => file.close());
    return openPipe(options, device);
  }
  if (info.size === 0) {
    await file.close();
    throw unreadable(path, "is empty");
  }
  const { buffer } = await file.read(Buffer.alloc(MAGIC_BYTES), 0, MAGIC_BYTES, 0);
  const compression = compressionOf(buffer);
  // A checksum of the whole needs the whole, and not only what the block map wants.
  if (compression === "none" && sha256 === undefined) return ImageFile.of(path, file);
  const sums = sha256 === undefined ? undefined : new Sums(path, sha256);
  const facts = { name: basename(path), path, sums };
  const close = async (): Promise<void> => file.close();
  if (compression === "none") {
    const source = fromFd(file.fd, close);
    return new ImageStream(source, { ...facts, size: info.size, progress: () => source.count() / info.size });
  }
  await sums?.addPackedFile();
  if (compression === "zip") {
    await close();
    const { openZip } = await import("./zip.ts");
    const { name, size, stream } = await openZip(path);
    const source = fromStream(stream);
    return new ImageStream(source, { ...facts, name, size, progress: () => source.count() / size });
  }
  const size = await packedImageSize(path, compression);
  const source = await decompress(compression, { fd: file.fd, close }, options.signal);
  return new ImageStream(source, {
    ...facts,
    size,
    progress: () => (file.fd < 0 ? 1 : positionOf(file.fd) / info.size),
  });
}

/** A packed or plain image as it comes by. */
async function openPipe({ path, sha256, signal }: ImageOptions, pipe: ByteSource): Promise<ImageSource> {
  const { start, whole } = await peek(pipe, MAGIC_BYTES).catch((error: unknown) => {
    signal.throwIfAborted();
    throw unreadable(path, "cannot be read", { cause: error });
  });
  if (start.length === 0) throw unreadable(path, "is empty");
  const compression = compressionOf(start);
  if (compression === "zip") {
    throw unreadable(path, "is a zip that comes through a pipe", {
      hint: "the list of what is in a zip is at its end: name the file instead",
    });
  }
  const sums = sha256 === undefined ? undefined : new Sums(path, sha256);
  const name = path === "-" ? "standard input" : basename(path);
  const facts = { name, path, size: undefined, sums, progress: () => undefined };
  if (compression === "none") return new ImageStream(whole, facts);
  const seen: ByteSource = {
    ...whole,
    async read(into): Promise<number> {
      const bytes = await whole.read(into);
      sums?.addPacked(into.subarray(0, bytes));
      return bytes;
    },
  };
  return new ImageStream(await decompress(compression, seen, signal), facts);
}

/** How far a file was read by whoever has it open as we have, proc_pid_fdinfo(5). */
function positionOf(fd: number): number {
  return Number(/^pos:\s+(\d+)$/m.exec(readFileSync(`/proc/self/fdinfo/${fd}`, "utf8"))?.[1]);
}
