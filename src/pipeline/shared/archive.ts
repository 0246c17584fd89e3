import { createReadStream } from "node:fs";
import { mkdir, open, symlink } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, pack, type Header, type Pack } from "tar-stream";
import type { Tree, TreeEntry } from "../tree.ts";

/** Bytes that are looked at together: when all are zero they become a hole. */
const HOLE_BYTES = 64 * 1024;

const ZEROS = Buffer.alloc(HOLE_BYTES);

/** An output as a tar stream: a pure function of its tree, without times, owners and names of users. */
export function packTree(dir: string, tree: Tree): Readable {
  const tar = pack();
  const fill = async (): Promise<void> => {
    for (const path of Object.keys(tree).toSorted()) {
      const entry = tree[path];
      if (entry !== undefined) await packPath(tar, dir, path, entry);
    }
    tar.finalize();
  };
  fill().catch((error: unknown) => tar.destroy(error instanceof Error ? error : new Error(String(error))));
  return tar as unknown as Readable;
}

async function packPath(tar: Pack, dir: string, name: string, entry: TreeEntry): Promise<void> {
  const header: Partial<Header> & { name: string } = { name, uid: 0, gid: 0, mtime: new Date(0) };
  switch (entry.kind) {
    case "folder":
      tar.entry({ ...header, type: "directory", mode: 0o755 });
      break;
    case "link":
      tar.entry({ ...header, type: "symlink", mode: 0o777, linkname: entry.target });
      break;
    case "file": {
      const mode = entry.executable ? 0o755 : 0o644;
      await pipeline(
        createReadStream(join(dir, name), { highWaterMark: HOLE_BYTES }),
        tar.entry({ ...header, type: "file", mode, size: entry.size }),
      );
    }
  }
}

/**
 * Unpacks what {@link packTree} made into an empty folder, with holes where there are zeros. Throws at anything else: a
 * name that leaves the folder, goes through a link or comes twice, and everything but files, folders and links.
 */
export async function unpackTree(tar: Readable, dir: string): Promise<void> {
  const reader = extract();
  const fed = pipeline(tar, reader);
  const folders = new Set(["."]);
  const unpack = async (): Promise<void> => {
    for await (const entry of reader) {
      const { name, type, linkname, mode = 0 } = entry.header;
      const path = checkedName(name, folders);
      if (type === "file") await writeSparse(entry as unknown as Readable, join(dir, path), mode);
      else if (type === "directory") {
        await mkdir(join(dir, path));
        folders.add(path);
      } else if (type === "symlink" && typeof linkname === "string") await symlink(linkname, join(dir, path));
      else throw new Error(`it holds ${name}, which is a ${type ?? "thing"}`);
      entry.resume();
    }
  };
  // The one that fails ends the other.
  await allOrFirstError([
    fed,
    unpack().catch((error: unknown) => {
      reader.destroy();
      throw error;
    }),
  ]);
}

/** Waits for all, also when one fails, so that nothing still writes behind the error. */
export async function allOrFirstError(tasks: readonly Promise<void>[]): Promise<void> {
  try {
    await Promise.all(tasks);
  } finally {
    await Promise.allSettled(tasks);
  }
}

/** Every folder has an entry of its own before what it holds, so that no part of a path can be a link. */
function checkedName(name: string, folders: ReadonlySet<string>): string {
  const path = name.replace(/\/$/, "");
  const parts = path.split("/");
  if (parts.some((part) => ["", ".", ".."].includes(part)) || path.includes("\0") || !folders.has(dirname(path))) {
    throw new Error(`it holds a path that is not allowed: ${JSON.stringify(name)}`);
  }
  return path;
}

async function writeSparse(content: Readable, path: string, mode: number): Promise<void> {
  const file = await open(path, "wx", (mode & 0o100) === 0 ? 0o644 : 0o755);
  let position = 0;
  try {
    for await (const chunk of content as AsyncIterable<Buffer>) {
      if (!isZero(chunk)) await file.write(chunk, 0, chunk.length, position);
      position += chunk.length;
    }
    await file.truncate(position);
    // The caller's umask had its say when the file was made.
    await file.chmod((mode & 0o100) === 0 ? 0o644 : 0o755);
  } finally {
    await file.close();
  }
}

function isZero(chunk: Buffer): boolean {
  for (let start = 0; start < chunk.length; start += HOLE_BYTES) {
    const end = Math.min(start + HOLE_BYTES, chunk.length);
    if (chunk.compare(ZEROS, 0, end - start, start, end) !== 0) return false;
  }
  return true;
}
