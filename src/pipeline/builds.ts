import { randomBytes } from "node:crypto";
import { rmSync } from "node:fs";
import { mkdir, readdir, stat } from "node:fs/promises";
import { join, resolve } from "node:path";
import { lockFile } from "../core/lock.ts";
import { removeTree } from "../core/remove.ts";
import { digestOf } from "./digest.ts";
import type { Context } from "./step.ts";

/** The folder of the cache that holds its locks; every other one is a shelf with results. */
const LOCKS = "locks";

const BUILD = /^build-([0-9a-f]{16})$/;

const STEP = /^step-/;

/** What processes call their unfinished things on a shelf, and what they take away: `tmp-<build>-<random>`. */
const TEMPORARY = /^tmp-([0-9a-f]+)-/;

/** Builds that go on at this moment. */
interface LiveBuilds {
  readonly ids: ReadonlySet<string>;
  /** Milliseconds since 1970: when the oldest of them began. */
  readonly since: number;
}

const joined = new Map<string, Promise<string>>();
const marks = new Set<string>();
const grown = new Set<string>();

/**
 * Tells other processes that this one uses the cache, until it ends: a locked file in `locks/`. The first call for a cache
 * also removes what dead processes left half done. Returns the build's id.
 */
export async function joinCache(cacheDir: string): Promise<string> {
  const known = joined.get(cacheDir);
  if (known !== undefined) return known;
  const joining = register(cacheDir);
  joined.set(cacheDir, joining);
  return joining;
}

async function register(cacheDir: string): Promise<string> {
  const id = randomBytes(8).toString("hex");
  const lock = await lockFile(join(cacheDir, LOCKS, `build-${id}`), { wait: true });
  if (lock === undefined) throw new Error("a file that was waited for is not locked");
  // The kernel gives the lock up; the name is only tidied away.
  if (marks.size === 0) process.once("exit", () => marks.forEach((path) => rmSync(path, { force: true })));
  marks.add(lock.path);
  await sweep(cacheDir, id);
  return id;
}

/** A new name on a shelf for something that is not yet, or no longer, an entry. */
export async function temporaryPath(cacheDir: string, shelf: string): Promise<string> {
  const id = await joinCache(cacheDir);
  grown.add(cacheDir);
  await mkdir(join(cacheDir, shelf), { recursive: true });
  return join(cacheDir, shelf, `tmp-${id}-${randomBytes(4).toString("hex")}`);
}

/** Whether this process put anything into the cache. */
export function hasGrown(cacheDir: string): boolean {
  return grown.has(cacheDir);
}

/** The file that is locked by the one build that does a step, so that it is not done twice at once. */
export function stepLock(cacheDir: string, key: string): string {
  return join(cacheDir, LOCKS, `step-${key}`);
}

/**
 * Does what only one build at a time may do to a file or folder outside the cache: others that use the same cache wait for
 * their turn until `signal` aborts. `path` may be relative to the current folder. Throws what {@link lockFile} throws.
 */
export async function inTurn<T>(
  { cacheDir, signal }: Pick<Context, "cacheDir" | "signal">,
  path: string,
  work: () => Promise<T>,
): Promise<T> {
  const turn = await lockFile(stepLock(cacheDir, digestOf(resolve(path))), { wait: true, signal });
  try {
    return await work();
  } finally {
    turn?.release();
  }
}

/** All builds that use the cache, this one among them. */
export async function liveBuilds(cacheDir: string): Promise<LiveBuilds> {
  return findLive(cacheDir, await joinCache(cacheDir));
}

async function findLive(cacheDir: string, own: string): Promise<LiveBuilds> {
  const ids = new Set<string>();
  let since = Date.now();
  for (const name of await readdir(join(cacheDir, LOCKS)).catch(() => [])) {
    const id = BUILD.exec(name)?.[1];
    if (id === undefined) continue;
    const path = join(cacheDir, LOCKS, name);
    const info = await stat(path).catch(() => undefined);
    if (info === undefined) continue;
    if (id !== own) {
      const lock = await lockFile(path, { wait: false });
      lock?.release();
      if (lock !== undefined) continue;
    }
    ids.add(id);
    since = Math.min(since, info.mtimeMs);
  }
  return { ids, since };
}

/** What lies on a shelf. */
export interface Shelved {
  readonly path: string;
  /** False for what is half made or half removed. */
  readonly whole: boolean;
  /** The build that made it, when it is not whole. */
  readonly build: string | undefined;
}

/** Everything on every shelf. A shelf that is a link belongs to another cache. */
export async function shelved(cacheDir: string): Promise<Shelved[]> {
  const found: Shelved[] = [];
  for (const shelf of await readdir(cacheDir, { withFileTypes: true }).catch(() => [])) {
    if (!shelf.isDirectory() || shelf.name === LOCKS) continue;
    for (const name of await readdir(join(cacheDir, shelf.name)).catch(() => [])) {
      const build = TEMPORARY.exec(name)?.[1];
      found.push({ path: join(cacheDir, shelf.name, name), whole: build === undefined, build });
    }
  }
  return found;
}

/** Removes what dead processes left half done. */
export async function sweepCache(cacheDir: string): Promise<void> {
  return sweep(cacheDir, await joinCache(cacheDir));
}

async function sweep(cacheDir: string, own: string): Promise<void> {
  for (const name of await readdir(join(cacheDir, LOCKS)).catch(() => [])) {
    // Who is killed leaves the file; a lock that can be had is nobody's.
    if (STEP.test(name)) (await lockFile(join(cacheDir, LOCKS, name), { wait: false }))?.release();
  }
  const halves = (await shelved(cacheDir)).filter(({ whole }) => !whole);
  if (halves.length === 0) return;
  const { ids } = await findLive(cacheDir, own);
  for (const { path, build } of halves) if (build === undefined || !ids.has(build)) await removeTree(path);
}
