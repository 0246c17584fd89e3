import { readFile, rename, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as z from "zod";
import { errnoCode, usageError } from "../core/errors.ts";
import { inTurn } from "../pipeline/builds.ts";
import type { Context } from "../pipeline/step.ts";
import { printLock, withBoard, type BoardLock, type Lock } from "./lock.ts";

/** The lock's file name, beside the project file. */
const LOCK_FILE = "rtkit.lock";

/** Debian policy 5.6.1; names go on command lines, in lists between commas and blanks, and into file names. */
const packageName = z.string().regex(/^[a-z0-9][a-z0-9+.-]+$/);

const lockedPackage = z.strictObject({
  name: packageName,
  // Debian policy 5.6.12 and 5.6.8.
  version: z.string().regex(/^[0-9A-Za-z][0-9A-Za-z.+:~-]*$/),
  architecture: z.string().regex(/^[a-z0-9][a-z0-9-]*$/),
  sha256: z.string().regex(/^[0-9a-f]{64}$/),
  size: z.int().positive(),
  archive: z.enum(["archive", "security"]),
  path: z.string().regex(/^pool\/(?!(?:.*\/)?\.\.\/)[\w.+~:/-]+\.deb$/),
});

const packageSet = z.strictObject({ wanted: z.array(packageName), packages: z.array(lockedPackage) });

const lockedNodejs = z.strictObject({
  // Both go on command lines; the hash names a file too.
  version: z.string().regex(/^\d+\.\d+\.\d+$/),
  integrity: z.string().regex(/^sha512-[A-Za-z0-9+/]{86}==$/),
});

const hosts = z.strictObject({ amd64: packageSet, arm64: packageSet });

const lockSchema: z.ZodType<Lock> = z.strictObject({
  format: z.literal(1),
  boards: z.record(
    z.string(),
    z.strictObject({
      suite: z.string(),
      architecture: z.enum(["arm64", "amd64"]),
      snapshot: z.string().nullable(),
      releases: z.array(z.strictObject({ suite: z.string(), date: z.iso.datetime() })).min(1),
      base: packageSet,
      project: packageSet,
      // Left out where there is none, as in locks of older versions of rtkit.
      nodejs: lockedNodejs.nullable().default(null),
      kernel: z.strictObject({ source: packageSet, toolchain: hosts }).nullable().default(null),
      tools: hosts,
    }),
  ),
});

/** Where a project's lock is. */
export function lockPath(projectDir: string): string {
  return join(projectDir, LOCK_FILE);
}

/** Reads a lock; undefined when there is none. Throws RTK_LOCK_INVALID. */
export async function readLock(path: string): Promise<Lock | undefined> {
  const text = await readFile(path, "utf8").catch((error: unknown) => {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  });
  return text === undefined ? undefined : parseLock(text, path);
}

/** A lock from its text. `path` is for messages. Throws RTK_LOCK_INVALID. */
export function parseLock(text: string, path: string): Lock {
  const invalid = (what: string, cause?: unknown): Error =>
    usageError("RTK_LOCK_INVALID", `this lock cannot be read: ${what}`, {
      where: { file: path },
      hint: "take it from version control again, or delete it: the next build writes a new one",
      cause,
    });
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid("it is no JSON (a merge conflict?)", error);
  }
  const parsed = lockSchema.safeParse(value);
  if (parsed.success) return parsed.data;
  const [issue] = parsed.error.issues;
  throw invalid(`${issue?.path.join(".") || "the whole"}: ${issue?.message ?? "unknown"}`);
}

/**
 * Puts one board's section into a project's lock. The file is read again for it, and builds take turns, so that those of
 * different boards keep each other's; it appears by rename, and equal text is left alone. Throws RTK_LOCK_INVALID.
 */
export async function writeBoardLock(
  context: Pick<Context, "cacheDir" | "signal">,
  path: string,
  board: string,
  section: BoardLock,
): Promise<void> {
  const temporary = `${path}.${process.pid}.tmp`;
  await inTurn(context, path, async () => {
    try {
      const before = await readLock(path);
      const text = printLock(withBoard(before, board, section));
      if (before !== undefined && printLock(before) === text) return;
      await writeFile(temporary, text);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  });
}
