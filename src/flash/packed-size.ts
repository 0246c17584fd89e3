import { exec } from "../core/exec.ts";
import type { Compression } from "./compression.ts";

/**
 * Bytes of the image in a packed file, where the format says it for sure without unpacking: the index of .xz (xz(1),
 * ROBOT MODE: the fifth column of `totals`). Undefined otherwise: gzip has it modulo 4 GiB, zstd for one frame of perhaps
 * several, and bzip2 not at all.
 */
export async function packedImageSize(path: string, compression: Compression): Promise<number | undefined> {
  if (compression !== "xz") return undefined;
  // A file that xz cannot list fails when it is unpacked, and says why.
  const listed = await exec("xz", ["--robot", "--list", "--", path]).catch(() => undefined);
  const size = /^totals\t\d+\t\d+\t\d+\t(\d+)\t/m.exec(listed?.stdout ?? "")?.[1];
  return size === undefined ? undefined : Number(size);
}
