import { Readable } from "node:stream";
import { crc32 } from "node:zlib";
import { openPromise, type Entry } from "yauzl";
import { damaged, unreadable } from "./image-failures.ts";

/** The one image in a zip file: the `.img` or `.iso` in it, or what is in it alone. */
export interface ZippedImage {
  readonly name: string;
  /** In bytes, unpacked. */
  readonly size: number;
  readonly stream: Readable;
}

/** Opens the image in a zip file. Throws RTK_FLASH_IMAGE where there is none, or more than one. */
export async function openZip(path: string): Promise<ZippedImage> {
  const zip = await openPromise(path, { autoClose: false }).catch((error: unknown) => {
    throw damaged(path, error);
  });
  try {
    const files: Entry[] = [];
    for await (const entry of zip.eachEntry()) if (!entry.fileName.endsWith("/")) files.push(entry);
    const entry = onlyImage(files);
    if (entry === undefined) {
      throw unreadable(path, `holds ${files.length} files and not exactly one image (.img or .iso)`, {
        hint: "unpack it, and name the image",
      });
    }
    const stream = await zip.openReadStreamPromise(entry);
    stream.once("close", () => zip.close());
    return { name: entry.fileName, size: entry.uncompressedSize, stream: Readable.from(checked(stream, entry.crc32)) };
  } catch (error) {
    zip.close();
    throw error;
  }
}

/** The library checks sizes, not sums. */
async function* checked(stream: Readable, expected: number): AsyncGenerator<Buffer> {
  let sum = 0;
  for await (const chunk of stream as AsyncIterable<Buffer>) {
    sum = crc32(chunk, sum);
    yield chunk;
  }
  if (sum !== expected) throw new Error("its CRC-32 does not match");
}

function onlyImage(files: readonly Entry[]): Entry | undefined {
  const images = files.filter(({ fileName }) => /\.(?:img|iso|wic)$/i.test(fileName));
  const [only, ...others] = images.length > 0 ? images : files;
  return others.length === 0 ? only : undefined;
}
