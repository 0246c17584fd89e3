import { createReadStream, createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { createGunzip } from "node:zlib";
import { extract, type Extract } from "tar-stream";
import { allOrFirstError } from "../pipeline/shared/archive.ts";

/**
 * Takes regular files out of an npm package's tarball: `wanted` has their paths in the package, and the names that they
 * get in `outDir`. Nothing else is made, so no path of the archive, link or device leads anywhere. Returns the paths that
 * the package does not have as files. Throws an Error when it is no gzipped tar.
 */
export async function takeFiles(
  tarball: string,
  wanted: Readonly<Record<string, string>>,
  outDir: string,
): Promise<string[]> {
  const missing = new Map(Object.entries(wanted));
  const tar = extract();
  const fed = pipeline(createReadStream(tarball), createGunzip(), tar);
  await allOrFirstError([fed, take(tar, missing, outDir)]);
  return [...missing.keys()];
}

/** Of files that come twice the first one counts. */
async function take(tar: Extract, missing: Map<string, string>, outDir: string): Promise<void> {
  for await (const entry of tar) {
    // All is below one folder, whatever its name: npm leaves out the first part of each path.
    const path = entry.header.name.split("/").slice(1).join("/");
    const name = missing.get(path);
    if (entry.header.type === "file" && name !== undefined) {
      missing.delete(path);
      await pipeline(entry, createWriteStream(join(outDir, name), { flags: "wx" }));
    }
    entry.resume();
  }
}
