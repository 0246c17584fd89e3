import { createHash } from "node:crypto";
import { createWriteStream } from "node:fs";
import { Transform, type Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { createZstdCompress, createZstdDecompress } from "node:zlib";
import { treeDigest } from "../entry.ts";
import { describeTree, type Tree } from "../tree.ts";
import { allOrFirstError, packTree, unpackTree } from "./archive.ts";
import type { SharedRecord } from "./record.ts";

/** Writes an output's archive to a file, and returns the record that goes with it. */
export async function writeArchive(
  output: { readonly dir: string; readonly tree: Tree },
  file: string,
  signal: AbortSignal,
): Promise<SharedRecord> {
  const unpacked = counter();
  const packed = counter();
  await pipeline(
    packTree(output.dir, output.tree),
    unpacked.stream,
    createZstdCompress(),
    packed.stream,
    createWriteStream(file),
    { signal },
  );
  const archive = { sha256: packed.sha256(), size: packed.size(), unpacked: unpacked.size() };
  return { digest: treeDigest(output.tree), archive };
}

/**
 * Unpacks an archive into an empty folder as it comes, and describes what came. Throws when it is not what the record
 * says, in any byte; what is in the folder then is of no use.
 */
export async function readArchive(
  body: Readable,
  { digest, archive }: SharedRecord,
  outDir: string,
  signal: AbortSignal,
): Promise<Tree> {
  const packed = counter(archive.size);
  const unpacked = counter(archive.unpacked);
  await allOrFirstError([
    pipeline(body, packed.stream, createZstdDecompress(), unpacked.stream, { signal }),
    unpackTree(unpacked.stream, outDir),
  ]);
  if (packed.sha256() !== archive.sha256) throw new Error("sent an archive that is not the one it was asked for");
  const tree = await describeTree(outDir);
  if (treeDigest(tree) !== digest) throw new Error("has an archive that is not what its record says");
  return tree;
}

interface Counter {
  readonly stream: Transform;
  readonly size: () => number;
  /** Of all that went through; ask once, at the end. */
  readonly sha256: () => string;
}

/** Counts and hashes what goes through; fails at a byte more than `limit`. */
function counter(limit = Infinity): Counter {
  const hash = createHash("sha256");
  let size = 0;
  const stream = new Transform({
    transform: (chunk: Buffer, _, done) => {
      size += chunk.length;
      hash.update(chunk);
      if (size > limit) done(new Error("sent more than its record says"));
      else done(null, chunk);
    },
  });
  return { stream, size: () => size, sha256: () => hash.digest("hex") };
}
