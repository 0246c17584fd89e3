import { randomBytes } from "node:crypto";
import { mkdir, readdir, readFile, rename, rm, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { errnoCode } from "../core/errors.ts";
import { isAlive } from "../core/process.ts";
import { digestFile, digestOf, type Json } from "./digest.ts";
import { showAsStep } from "./show.ts";
import type { Context, FileRecord, Step, StepOutput } from "./step.ts";

/** Results of one step that are kept whatever their age, most recently used first: a few boards and projects. */
const KEPT_PER_STEP = 6;
/** Others go when nobody used them for this long: half a gigabyte each adds up on a day of changes. */
const KEPT_MS = 24 * 3600 * 1000;

/** Written beside a finished result, inside the same entry; its presence says the result is whole. */
interface CacheRecord {
  readonly digest: string;
  readonly files: Readonly<Record<string, FileRecord>>;
}

/**
 * Returns a step's output from the cache, or runs the step and keeps what it made. A result appears by rename, so an
 * interrupted build leaves none behind; two builds that race keep the first result.
 */
export async function runStep(context: Context, step: Step): Promise<StepOutput> {
  const entry = entryOf(context, step);
  return showAsStep(
    context,
    step.name,
    async () => (await readEntry(entry)) ?? make(context, step, entry),
    ({ cached }) => cached,
  );
}

/** Whether {@link runStep} would find the step's output instead of running it. */
export async function isCached(context: Context, step: Step): Promise<boolean> {
  return (await readEntry(entryOf(context, step))) !== undefined;
}

/**
 * Removes results that nobody used for {@link KEPT_MS}, but the last {@link KEPT_PER_STEP} of each step, and what
 * killed builds left half done.
 */
export async function pruneCache(cacheDir: string): Promise<void> {
  for (const shelf of await readdir(cacheDir).catch(() => [])) {
    const folder = join(cacheDir, shelf);
    const entries = [];
    for (const name of await readdir(folder).catch(() => [])) {
      const path = join(folder, name);
      const info = await stat(path).catch(() => undefined);
      if (info === undefined) continue;
      const maker = /^tmp-(\d+)-/.exec(name)?.[1];
      if (maker === undefined) entries.push({ path, used: info.mtimeMs });
      else if (!isAlive(Number(maker))) await rm(path, { recursive: true, force: true });
    }
    entries.sort((a, b) => b.used - a.used);
    for (const { path, used } of entries.slice(KEPT_PER_STEP)) {
      if (Date.now() - used > KEPT_MS) await rm(path, { recursive: true, force: true });
    }
  }
}

/** Another rtkit may do the same step in another way, so its version is an input of each. */
function entryOf(context: Context, step: Step): string {
  return join(context.cacheDir, step.name, digestOf({ rtkit: packageJson.version, inputs: step.inputs }));
}

async function make(context: Context, step: Step, entry: string): Promise<StepOutput> {
  // The maker's process id lets a later run tell a killed build's leftovers from a build that is still going on.
  const temporary = join(dirname(entry), `tmp-${process.pid}-${randomBytes(4).toString("hex")}`);
  const out = join(temporary, "out");
  await mkdir(out, { recursive: true });
  try {
    await step.run(out, {
      ...context,
      progress: (text) => context.emit({ type: "progress", name: step.name, text }),
    });
    context.signal.throwIfAborted();
    const files = await describeFiles(out);
    const record: CacheRecord = { digest: digestOf(files as unknown as Json), files };
    await writeFile(join(temporary, "record.json"), JSON.stringify(record));
    await rename(temporary, entry).catch((error: unknown) => {
      if (!["ENOTEMPTY", "EEXIST"].includes(errnoCode(error) ?? "")) throw error;
    });
  } finally {
    await rm(temporary, { recursive: true, force: true });
  }
  const made = await readEntry(entry);
  if (made === undefined) throw new Error(`cache entry ${entry} vanished`);
  return { ...made, cached: false };
}

async function readEntry(entry: string): Promise<StepOutput | undefined> {
  const text = await readFile(join(entry, "record.json"), "utf8").catch((error: unknown) => {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  });
  if (text === undefined) return undefined;
  const now = new Date();
  await utimes(entry, now, now);
  const record = JSON.parse(text) as CacheRecord;
  return { dir: join(entry, "out"), digest: record.digest, cached: true, files: record.files };
}

/** Size and sha256 of every regular file below `dir`; links and folders do not count (outputs that need them are tars). */
async function describeFiles(dir: string): Promise<Record<string, FileRecord>> {
  const files: Record<string, FileRecord> = {};
  const entries = await readdir(dir, { recursive: true, withFileTypes: true });
  for (const entry of entries.filter((candidate) => candidate.isFile())) {
    const path = join(entry.parentPath, entry.name);
    const { size } = await stat(path);
    files[path.slice(dir.length + 1)] = { size, sha256: await digestFile(path) };
  }
  return files;
}
