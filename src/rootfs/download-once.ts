import { mkdir, rename, rm, stat, utimes } from "node:fs/promises";
import { join } from "node:path";
import { lockFile } from "../core/lock.ts";
import { stepLock, temporaryPath } from "../pipeline/builds.ts";
import { digestFile } from "../pipeline/digest.ts";
import type { StepContext } from "../pipeline/step.ts";

/** The cache's folder of downloaded files, each named by its hash. */
const DOWNLOADS = "downloads";

/** The content that a downloaded file must have. */
export interface Content {
  readonly algorithm: "sha256" | "sha512";
  /** Hex. */
  readonly hash: string;
  /** Bytes, where they are known before. */
  readonly size?: number;
}

/** What is to be downloaded, and how. */
export interface Wanted<T> {
  readonly items: readonly T[];
  readonly contentOf: (item: T) => Content;
  /**
   * Fetches items into files in `folder`, which is removed afterwards, and hands each to `keep`. That takes it over when
   * it has the content its item must have, else removes it; it returns which of the two.
   */
  readonly fetch: (missing: readonly T[], folder: string, keep: Keep<T>) => Promise<void>;
}

/** See {@link Wanted.fetch}. */
export type Keep<T> = (item: T, file: string) => Promise<boolean>;

/**
 * The paths of downloaded files in the order of `items`, each with the content that it must have. What the cache has is
 * verified each time; the rest is fetched, once: builds and steps that download at the same time do so in turn, since most
 * of what one of them needs the others need too.
 */
export async function downloadOnce<T>(step: StepContext, { items, contentOf, fetch }: Wanted<T>): Promise<string[]> {
  const shelf = join(step.cacheDir, DOWNLOADS);
  await mkdir(shelf, { recursive: true });
  const placeOf = (item: T): string => join(shelf, contentOf(item).hash);
  const areMissing = async (wanted: readonly T[]): Promise<T[]> => {
    const missing = [];
    for (const item of wanted) if (!(await isWhole(placeOf(item), contentOf(item)))) missing.push(item);
    return missing;
  };
  const keep: Keep<T> = async (item, file) => {
    if (!(await isWhole(file, contentOf(item)))) return false;
    await rename(file, placeOf(item));
    return true;
  };
  const missing = await areMissing(items);
  if (missing.length > 0) {
    const lock = await lockFile(stepLock(step.cacheDir, DOWNLOADS), { wait: true, signal: step.signal });
    try {
      const still = await areMissing(missing);
      if (still.length > 0) await inNewFolder(step.cacheDir, async (folder) => fetch(still, folder, keep));
    } finally {
      lock?.release();
    }
  }
  return items.map((item) => placeOf(item));
}

/** In the cache, so that what is whole gets its name in one step and nobody sees the rest. */
async function inNewFolder(cacheDir: string, work: (folder: string) => Promise<void>): Promise<void> {
  const folder = await temporaryPath(cacheDir, DOWNLOADS);
  try {
    await mkdir(folder);
    await work(folder);
  } finally {
    await rm(folder, { recursive: true, force: true });
  }
}

/** Whether a file has the content that it should have; one that has not is removed. */
async function isWhole(file: string, { algorithm, hash, size }: Content): Promise<boolean> {
  const info = await stat(file).catch(() => undefined);
  if (info === undefined) return false;
  if ((size === undefined || info.size === size) && (await digestFile(file, algorithm)) === hash) {
    const now = new Date();
    await utimes(file, now, now);
    return true;
  }
  await rm(file, { force: true });
  return false;
}
