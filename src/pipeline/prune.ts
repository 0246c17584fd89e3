import { lstat, rename, statfs } from "node:fs/promises";
import { basename, dirname } from "node:path";
import { execEnd } from "../core/exec.ts";
import { removeTree } from "../core/remove.ts";
import { liveBuilds, shelved, sweepCache, temporaryPath } from "./builds.ts";

/** The most the cache holds: some twenty images with all that is between them. */
const LIMIT_BYTES = 20 * 1024 ** 3;

/** A clock of a file system may be behind ours. */
const SLACK_MS = 60_000;

/** One thing that can be given up. */
interface Item {
  readonly path: string;
  /** What it takes on the disk; holes take nothing. */
  readonly bytes: number;
  /** Milliseconds since 1970. */
  readonly used: number;
}

/**
 * Removes what dead builds left, and gives up what was not used for longest until the cache takes at most `limit` bytes.
 * What was used since the oldest build that goes on anywhere began is kept.
 */
export async function pruneCache(cacheDir: string, limit?: number): Promise<void> {
  await sweepCache(cacheDir);
  const paths = (await shelved(cacheDir)).filter(({ whole }) => whole).map(({ path }) => path);
  const sizes = await allocated(paths);
  const items: Item[] = [];
  for (const path of paths) {
    const info = await lstat(path).catch(() => undefined);
    if (info !== undefined) items.push({ path, bytes: sizes.get(path) ?? 0, used: info.mtimeMs });
  }
  let total = items.reduce((sum, { bytes }) => sum + bytes, 0);
  const bound = limit ?? (await defaultLimit(cacheDir, total));
  if (total <= bound) return;
  const inUse = (await liveBuilds(cacheDir)).since - SLACK_MS;
  for (const item of items.toSorted((a, b) => a.used - b.used)) {
    if (total <= bound || item.used >= inUse) return;
    if (await giveUp(cacheDir, item)) total -= item.bytes;
  }
}

/** {@link LIMIT_BYTES}, or on a small disk half of what the cache could take there. */
async function defaultLimit(cacheDir: string, taken: number): Promise<number> {
  const { bavail, bsize } = await statfs(cacheDir);
  return Math.min(LIMIT_BYTES, (taken + bavail * bsize) / 2);
}

/** An entry is there or not: it goes by rename. A build that began to use it in between gets it back. */
async function giveUp(cacheDir: string, { path, used }: Item): Promise<boolean> {
  const touched = async (at: string): Promise<boolean> => (await lstat(at).catch(() => undefined))?.mtimeMs !== used;
  if (await touched(path)) return false;
  const away = await temporaryPath(cacheDir, basename(dirname(path)));
  await rename(path, away);
  if (await touched(away)) {
    await rename(away, path);
    return false;
  }
  await removeTree(away);
  return true;
}

/**
 * Bytes of the blocks that files and folders take. By du(1), which looks at a kernel's source tree in a hundredth of the
 * time that we would need. What is gone meanwhile it complains of, and leaves out.
 */
async function allocated(paths: readonly string[]): Promise<ReadonlyMap<string, number>> {
  // Without a name du would look at the folder that it is in.
  if (paths.length === 0) return new Map();
  const words = ["--summarize", "--block-size=1", "--null", "--files0-from=-"];
  const { stdout } = await execEnd("du", words, { input: paths.join("\0") });
  return new Map([...stdout.matchAll(/(\d+)\t([^\0]+)\0/g)].map(([, bytes = "", path = ""]) => [path, Number(bytes)]));
}
