import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { readEntry } from "./entry.ts";

/**
 * The folder of an output in the cache that has `file` with this sha256, among all that the step of that name ever made and
 * the cache still has; undefined for none.
 */
export async function findOutput(
  cacheDir: string,
  step: string,
  file: string,
  sha256: string,
): Promise<string | undefined> {
  const shelf = join(cacheDir, step);
  for (const key of await readdir(shelf).catch(() => [])) {
    const found = await readEntry(join(shelf, key), key);
    if (found.state === "whole" && found.output.files[file]?.sha256 === sha256) return found.output.dir;
  }
  return undefined;
}
