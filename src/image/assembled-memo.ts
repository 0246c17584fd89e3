import { mkdir, readFile, rename, stat, utimes, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import { parseSealed, printSealed } from "../pipeline/sealed.ts";
import type { HashState } from "./splice.ts";

/** What is remembered of the image that was written last to one place. */
export interface AssembledMemo {
  /** The digest of all it was made of. */
  readonly inputs: string;
  /** The image and its bmap, see {@link stampsOf}. */
  readonly stamps: readonly string[];
  readonly image: { readonly size: number; readonly sha256: string };
  readonly bmap: { readonly size: number; readonly sha256: string };
  /** The hash of the image up to the data partition, and the digest of what lies there. */
  readonly prefix: { readonly inputs: string; readonly hash: HashState };
}

/** Reads a memo; undefined when there is none, or a damaged one. */
export async function readMemo(path: string): Promise<AssembledMemo | undefined> {
  const text = await readFile(path, "utf8").catch(() => "");
  const memo = parseSealed(text) as AssembledMemo | undefined;
  if (memo === undefined) return undefined;
  // What the cache gives up first was not used for longest.
  const now = new Date();
  await utimes(path, now, now);
  return memo;
}

/** Writes a memo. It appears by rename. */
export async function writeMemo(path: string, memo: AssembledMemo): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await mkdir(dirname(path), { recursive: true });
  await writeFile(temporary, printSealed(memo));
  await rename(temporary, path);
}

/** What changes when somebody writes to a file; of a missing one it is empty. */
export async function stampsOf(paths: readonly string[]): Promise<readonly string[]> {
  return Promise.all(
    paths.map(async (path) => {
      const found = await stat(path, { bigint: true }).catch(() => undefined);
      return found === undefined ? "" : [found.ino, found.size, found.mtimeNs, found.ctimeNs].join(" ");
    }),
  );
}
