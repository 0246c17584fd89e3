import type { Release } from "./release.ts";

/** What `rtnodectl receive` reads on its standard input, or a part of it. */
export interface ReleaseStream {
  readonly chunks: readonly Buffer[];
  /** Size of all chunks. */
  readonly bytes: number;
  /** How many files are in it besides the list. */
  readonly blobs: number;
}

/**
 * A release without the files that the board has: `SUMS <bytes>` and the list, `ALL <bytes of the missing files>`, for each
 * missing file `BLOB <sha256> <bytes>` and its content, sorted by sha256 and each once, then `END`. Every head is a line.
 */
export function releaseStream(release: Pick<Release, "sums" | "blobs">, has: ReadonlySet<string>): ReleaseStream {
  const files = filesStream(release, new Set([...release.blobs.keys()].filter((digest) => !has.has(digest))));
  return streamOf([...listStream(release).chunks, ...files.chunks], files.blobs);
}

/** The first part of it: the list. */
export function listStream({ sums }: Pick<Release, "sums">): ReleaseStream {
  return streamOf([Buffer.from(`SUMS ${sums.length}\n`), sums], 0);
}

/** What follows: the files that the board wants. */
export function filesStream({ blobs }: Pick<Release, "blobs">, wanted: ReadonlySet<string>): ReleaseStream {
  const missing = [...blobs].filter(([digest]) => wanted.has(digest)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const size = missing.reduce((sum, [, { length }]) => sum + length, 0);
  const chunks = [
    ...(missing.length === 0 ? [] : [Buffer.from(`ALL ${size}\n`)]),
    ...missing.flatMap(([digest, content]) => [Buffer.from(`BLOB ${digest} ${content.length}\n`), content]),
    Buffer.from("END\n"),
  ];
  return streamOf(chunks, missing.length);
}

function streamOf(chunks: readonly Buffer[], blobs: number): ReleaseStream {
  return { chunks, bytes: chunks.reduce((sum, { length }) => sum + length, 0), blobs };
}
