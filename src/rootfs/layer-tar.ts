import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { open, type FileHandle } from "node:fs/promises";
import { Readable } from "node:stream";
import { once } from "node:events";
import { pack, type Pack } from "tar-stream";
import { RtkitError } from "../core/errors.ts";
import { contentSize, type LayerContent } from "./layer.ts";
import type { LayerPlan, PlacedEntry } from "./layer-plan.ts";

/** Bytes copied at once: what is held in memory. */
const CHUNK = 1 << 20;

type Entry = ReturnType<Pack["entry"]>;

/** Two blocks of zeros end a tar. */
const END_OF_TAR = Buffer.alloc(1024);

/**
 * The tar of a plan as a stream. Entries of packages are copied byte by byte, so owners, modes, extended attributes
 * (also binary ones such as security.capability), hard links and devices stay as they are. The same plan over the same
 * tar and the same time give the same bytes. `sourceDateEpoch` is the time of entries that are not copied, in seconds
 * since 1970. Throws RTK_OVERLAY_CHANGED when a file of a layer has not the size, or the digest, that the layer says.
 */
export function layeredTar(packagesTar: string, plan: LayerPlan, sourceDateEpoch: number): Readable {
  const mtime = new Date(sourceDateEpoch * 1000);
  return Readable.from(chunks(packagesTar, plan, mtime), { objectMode: false, highWaterMark: CHUNK });
}

async function* chunks(packagesTar: string, plan: LayerPlan, mtime: Date): AsyncGenerator<Buffer> {
  const file = await open(packagesTar);
  try {
    for (const piece of plan.pieces) {
      if (piece.kind === "keep") yield* copy(file, piece.offset, piece.length);
      else yield* entryBytes(piece.entry, mtime);
    }
  } finally {
    await file.close();
  }
  yield END_OF_TAR;
}

async function* copy(file: FileHandle, offset: number, length: number): AsyncGenerator<Buffer> {
  for (let done = 0; done < length;) {
    const buffer = Buffer.allocUnsafe(Math.min(CHUNK, length - done));
    const { bytesRead } = await file.read(buffer, 0, buffer.length, offset + done);
    if (bytesRead === 0) throw new Error("the packages' tar is shorter than its index says");
    yield buffer.subarray(0, bytesRead);
    done += bytesRead;
  }
}

/** Header, content and padding of one entry: a tar of its own without the end mark. */
async function* entryBytes(entry: PlacedEntry, mtime: Date): AsyncGenerator<Buffer> {
  const writer = pack();
  let failure: unknown;
  const written = writeEntry(writer, entry, mtime).catch((error: unknown) => {
    failure = error;
    // Without an error of its own: streams inside tar-stream would throw it where nobody catches it.
    writer.destroy();
  });
  let last: Buffer | undefined;
  try {
    for await (const chunk of writer) {
      if (last !== undefined) yield last;
      last = chunk as Buffer;
    }
  } catch (error) {
    await written;
    throw failure ?? error;
  }
  await written;
  if (failure !== undefined) throw failure;
  if (last?.length !== END_OF_TAR.length) throw new Error("tar-stream did not end its tar with one piece");
}

async function writeEntry(writer: Pack, entry: PlacedEntry, mtime: Date): Promise<void> {
  const { content } = entry;
  const headers = {
    name: content.kind === "directory" ? `./${entry.path}/` : `./${entry.path}`,
    type: content.kind === "text" ? ("file" as const) : content.kind,
    mode: entry.mode,
    uid: entry.uid,
    gid: entry.gid,
    size: contentSize(content),
    mtime,
    ...(content.kind === "symlink" ? { linkname: content.target } : {}),
  };
  if (content.kind === "file") await copyFile(writer.entry(headers), content);
  else if (content.kind === "text") writer.entry(headers, content.text);
  else writer.entry(headers);
  writer.finalize();
}

/** Fills the place of a file in a tar. Counts itself: the entry's own complaint would not reach us. */
async function copyFile(place: Entry, content: LayerContent & { readonly kind: "file" }): Promise<void> {
  let seen = 0;
  const hash = createHash("sha256");
  for await (const chunk of createReadStream(content.source, { highWaterMark: CHUNK })) {
    seen += (chunk as Buffer).length;
    if (seen > content.size) break;
    hash.update(chunk as Buffer);
    if (!place.write(chunk)) await once(place, "drain");
  }
  // What was written would be kept under the digest of what was there before.
  const isOther = content.sha256 !== undefined && hash.digest("hex") !== content.sha256;
  if (seen !== content.size || isOther) {
    throw new RtkitError("RTK_OVERLAY_CHANGED", `${content.source} changed while it was read`, {
      hint: "build again",
    });
  }
  place.end(Buffer.alloc(0));
}
