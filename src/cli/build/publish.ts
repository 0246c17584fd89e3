import { randomBytes } from "node:crypto";
import { copyFile, mkdir, rename, rm, stat, writeFile } from "node:fs/promises";
import { dirname } from "node:path";
import type { OutputFile } from "../../image/assemble.ts";
import { digestFile, sha256 } from "../../pipeline/digest.ts";

/** Copies a file to where the user finds it. It appears by rename; an equal file that is there already is left alone. */
export async function publish(source: string, path: string): Promise<OutputFile> {
  const wanted = await digestFile(source);
  return place(path, wanted, async (temporary) => copyFile(source, temporary));
}

/** Writes text to where the user finds it, like {@link publish}. */
export async function publishText(text: string, path: string): Promise<OutputFile> {
  return place(path, sha256(text), async (temporary) => writeFile(temporary, text));
}

async function place(path: string, wanted: string, write: (temporary: string) => Promise<void>): Promise<OutputFile> {
  const there = await digestFile(path).catch(() => undefined);
  if (there !== wanted) {
    const temporary = `${path}.${randomBytes(4).toString("hex")}.tmp`;
    await mkdir(dirname(path), { recursive: true });
    try {
      await write(temporary);
      await rename(temporary, path);
    } finally {
      await rm(temporary, { force: true });
    }
  }
  return { path, size: (await stat(path)).size, sha256: wanted };
}
