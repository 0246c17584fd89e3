import { lstat, rename, statfs } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { removeTree } from "../core/remove.ts";
import { liveBuilds, shelved, sweepCache, temporaryPath } from "./builds.ts";
import { pathsBelow } from "./tree.ts";

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
 * Removes what dead builds left, and gives up what was not used for longest until the cache takes at most `limit` bytes. What was used since the oldest
 * build that goes on anywhere began is kept.
 */
export async function pruneCache(cacheDir: string, limit?: number): Promise<void> {
  await sweepCache(cacheDir);
  const items: Item[] = [];
  for (const { path, whole } of await shelved(cacheDir)) {
    const info = whole ? await lstat(path).catch(() => undefined) : undefined;
    if (info !== undefined) items.push({ path, bytes: await allocated(path), used: info.mtimeMs });
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

/** Bytes of the blocks that a file or folder takes (st_blocks counts 512 bytes, see stat(3type)). */
async function allocated(path: string): Promise<number> {
  const own = await lstat(path).catch(() => undefined);
  if (own === undefined) return 0;
  let bytes = own.blocks * 512;
  if (!own.isDirectory()) return bytes;
  for (const name of await pathsBelow(path).catch(() => [])) {
    bytes += ((await lstat(join(path, name)).catch(() => undefined))?.blocks ?? 0) * 512;
  }
  return bytes;
}
