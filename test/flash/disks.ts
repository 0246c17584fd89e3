import { execa, execaSync } from "execa";
import { createHash } from "node:crypto";
import { writeFileSync } from "node:fs";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import type { CheckedExtent, Extent } from "../../src/flash/extents.ts";
import { flash, type Flashed, type FlashOptions } from "../../src/flash/flash.ts";
import { openImage } from "../../src/flash/open-image.ts";
import { scratchDir } from "../scratch.ts";

const MIB = 1024 ** 2;

/** Bytes that look like nothing else: a test image's, and with another `seed` an old card's. */
export function noise(bytes: number, seed: number): Buffer {
  const all = Buffer.alloc(bytes);
  let state = seed;
  for (let at = 0; at < bytes; at += 4) {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    // Never zero, so that nothing is taken for a hole.
    all.writeUInt32LE((state | 1) >>> 0, at);
  }
  return all;
}

export function sha256(bytes: Buffer): string {
  return createHash("sha256").update(bytes).digest("hex");
}

/** An image of 11 MiB with holes, as `rtkit build` makes them, and what its block map says. */
export interface TestImage {
  readonly path: string;
  readonly bytes: Buffer;
  readonly map: { readonly size: number; readonly ranges: readonly CheckedExtent[] };
}

/** What the image has: a partition table, something in the gap behind it, two file systems. */
const FULL: readonly Extent[] = [
  { offset: 0, length: 4096 },
  { offset: 32_768, length: 8192 },
  { offset: MIB, length: 2 * MIB },
  { offset: 5 * MIB + 4096, length: 5 * MIB },
  { offset: 10 * MIB + 8192, length: 4096 },
];

export function testImage(): TestImage {
  const bytes = Buffer.alloc(11 * MIB);
  for (const [seed, { offset, length }] of FULL.entries()) noise(length, seed + 1).copy(bytes, offset);
  // The signature of a partition table: without it no firmware looks further.
  bytes.writeUInt16LE(0xaa55, 510);
  const path = join(scratchDir("rtkit-flash-"), "robot.img");
  writeFileSync(path, bytes);
  const ranges = FULL.map((extent) => ({
    ...extent,
    sha256: sha256(bytes.subarray(extent.offset, extent.offset + extent.length)),
  }));
  return { path, bytes, map: { size: bytes.length, ranges } };
}

/** A card that was used before: a file of old bytes, with another system's partition table. */
export function usedCard(bytes = 16 * MIB): string {
  const path = join(scratchDir("rtkit-card-"), "card");
  const old = noise(bytes, 99);
  old.writeUInt16LE(0xaa55, 510);
  writeFileSync(path, old);
  return path;
}

/** Whether a firmware would start something from a disk: the signature of a partition table in its first sector. */
export function isBootable(disk: Buffer): boolean {
  return disk.readUInt16LE(510) === 0xaa55;
}

export type Faults = Partial<Record<"STOP" | "FLIP" | "EIO" | "TIMES" | "SIZE" | "GONE", number>>;

let library: string | undefined;

/** The environment in which a disk fails; see faulty-disk.c. */
function faultyEnvironment(disk: string, faults: Faults): Record<string, string> {
  if (library === undefined) {
    library = join(scratchDir("rtkit-faults-"), "faulty-disk.so");
    const source = join(rtkitRoot, "test", "flash", "faulty-disk.c");
    execaSync("cc", ["-shared", "-fPIC", "-O1", "-Wall", "-Wextra", "-Werror", "-o", library, source]);
  }
  return {
    LD_PRELOAD: library,
    FAULTY_DISK: disk,
    ...Object.fromEntries(Object.entries(faults).map(([name, value]) => [`FAULTY_${name}`, String(value)])),
  };
}

/** Runs `work` while programs that we start meet a disk that fails. */
export async function withFaults<T>(disk: string, faults: Faults, work: () => Promise<T>): Promise<T> {
  const environment = faultyEnvironment(disk, faults);
  Object.assign(process.env, environment);
  try {
    return await work();
  } finally {
    for (const name of Object.keys(environment)) Reflect.deleteProperty(process.env, name);
  }
}

/** Flashes one disk or several; with the image's block map unless told otherwise. */
export async function flashTo(
  disks: readonly string[],
  image: TestImage,
  options: Partial<Omit<FlashOptions, "image">> & { readonly path?: string; readonly sha256?: string } = {},
): Promise<Flashed[]> {
  const signal = options.signal ?? new AbortController().signal;
  const { path = image.path, sha256: sum, ...rest } = options;
  return flash(
    {
      image: await openImage({ path, ...(sum === undefined ? {} : { sha256: sum }), stdin: 0, signal }),
      map: image.map,
      patches: [],
      verify: true,
      signal,
      ...rest,
    },
    disks.map((disk) => ({
      path: disk,
      chosen: undefined,
      progress: { begin: () => undefined, at: () => undefined, done: () => undefined },
    })),
  );
}

/** Whether a disk is the image, where the image is, with nothing of what was there before in its holes. */
export async function holds(disk: string, image: TestImage): Promise<boolean> {
  const bytes = await readFile(disk);
  return bytes.subarray(0, image.bytes.length).equals(image.bytes);
}

/** A loop device over a file, or undefined with the reason on the test's output where there can be none. */
export async function loopDevice(file: string): Promise<{ path: string; detach: () => Promise<void> } | undefined> {
  const { stdout, exitCode, stderr } = await execa("losetup", ["--find", "--show", file], { reject: false });
  if (exitCode !== 0) {
    process.stdout.write(`no loop device here: ${stderr}\n`);
    return undefined;
  }
  return { path: stdout, detach: async () => void (await execa("losetup", ["--detach", stdout])) };
}
