import type { Release } from "./release.ts";

/** What `rtnodectl receive` reads on its standard input. */
export interface ReleaseStream {
  readonly chunks: readonly Buffer[];
  /** Size of all chunks. */
  readonly bytes: number;
  /** How many files are in it besides the list. */
  readonly blobs: number;
}

/**
 * A release without the files that the board has: `SUMS <bytes> <bytes of the missing files>` and the list, for each
 * missing file `BLOB <sha256> <bytes>`
 * and its content, sorted by sha256 and each once, then `END`. Every head is a line.
 */
export function releaseStream(
  { sums, blobs }: Pick<Release, "sums" | "blobs">,
  has: ReadonlySet<string>,
): ReleaseStream {
  const missing = [...blobs].filter(([digest]) => !has.has(digest)).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const size = missing.reduce((sum, [, { length }]) => sum + length, 0);
  const chunks = [
    Buffer.from(`SUMS ${sums.length} ${size}\n`),
    sums,
    ...missing.flatMap(([digest, content]) => [Buffer.from(`BLOB ${digest} ${content.length}\n`), content]),
    Buffer.from("END\n"),
  ];
  return { chunks, bytes: chunks.reduce((sum, { length }) => sum + length, 0), blobs: missing.length };
}
