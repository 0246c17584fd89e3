import { open } from "node:fs/promises";
import { posix } from "node:path";
import type { Toolbox } from "../core/toolbox.ts";
import { BLOCK_SIZE, mergeSpans, type BlockSpan } from "./block-map.ts";
import { makeSparse } from "./ext4.ts";
import { readExactly } from "./map-file.ts";

/** Where a file's content comes from: a file on the host, or a text. */
export type FileSource = { readonly file: string } | { readonly text: string };

/** What a FAT32 file system is made of. */
export interface FatOptions {
  /** The image file to write; replaced when it exists. */
  readonly file: string;
  /** Bytes, a multiple of 4096. */
  readonly size: number;
  /** At most 11 characters of `[A-Z0-9_-]`. */
  readonly label: string;
  /** `XXXX-XXXX`, hex. */
  readonly serial: string;
  /** By path within the file system, folders with `/`. */
  readonly files: ReadonlyMap<string, FileSource>;
  /** The file to write before all others, so that it lies in one piece at the beginning. */
  readonly first?: string;
  readonly signal?: AbortSignal;
}

const SECTOR = 512;

/** FAT32 has at least 65525 clusters (Microsoft, FAT specification 1.03); some left over for the FATs themselves. */
const MIN_CLUSTERS = 68_000;

/** Makes a FAT32 file system in a sparse file with mtools. Equal options give equal bytes. */
export async function makeFat(tools: Toolbox, options: FatOptions): Promise<void> {
  const { file, size, label, serial, files, first, signal } = options;
  await makeSparse(file, size);
  const run = signal === undefined ? {} : { signal };
  const clusterSectors = [8, 4, 2].find((sectors) => size / SECTOR / sectors > MIN_CLUSTERS) ?? 1;
  const format = ["-i", file, "-F", "-c", String(clusterSectors), "-v", label, "-N", serial.replace("-", ""), "::"];
  await tools.run("mformat", format, run);
  const paths = [...files.keys()].toSorted();
  for (const folder of foldersOf(paths)) await tools.run("mmd", ["-i", file, `::/${folder}`], run);
  for (const path of paths.toSorted((a, b) => Number(b === first) - Number(a === first))) {
    const source = files.get(path);
    if (source === undefined) continue;
    if ("text" in source) await tools.run("mcopy", ["-i", file, "-", `::/${path}`], { ...run, input: source.text });
    else await tools.run("mcopy", ["-i", file, source.file, `::/${path}`], run);
  }
}

/** Paths of all files in the FAT file system at `offset` bytes of an image, sorted, without a leading `/`. */
export async function listFat(tools: Toolbox, image: string, offset: number): Promise<string[]> {
  const { stdout } = await tools.run("mdir", ["-i", `${image}@@${offset}`, "-/", "-b", "::/"], {});
  return stdout
    .split("\n")
    .map((line) => line.replace(/^::\//, ""))
    .filter((path) => path !== "" && !path.endsWith("/"))
    .toSorted();
}

/** Copies one file out of the FAT file system at `offset` bytes of an image. */
export async function copyFromFat(
  tools: Toolbox,
  image: string,
  offset: number,
  path: string,
  target: string,
): Promise<void> {
  await tools.run("mcopy", ["-n", "-i", `${image}@@${offset}`, `::/${path}`, target]);
}

/** The text of one file in the FAT file system at `offset` bytes of an image. */
export async function readFatText(tools: Toolbox, image: string, offset: number, path: string): Promise<string> {
  const { stdout } = await tools.run("mtype", ["-i", `${image}@@${offset}`, `::/${path}`]);
  return stdout;
}

/** Blocks that the FAT32 file system in an image has allocated, its own tables included. */
export async function fatBlocksInUse(path: string): Promise<BlockSpan[]> {
  const file = await open(path, "r");
  try {
    const boot = await readExactly(file, Buffer.alloc(SECTOR), 0, SECTOR);
    const { reserved, fats, fatSectors } = fatGeometry(boot);
    const length = fatSectors * SECTOR;
    const table = await readExactly(file, Buffer.alloc(length), reserved * SECTOR, length);
    return fatSpans(boot, table, fats);
  } finally {
    await file.close();
  }
}

/**
 * Allocated blocks from a FAT32's boot sector and its first table. Entry `n` is cluster `n`, the first is 2; 0 means free
 * (Microsoft, FAT specification 1.03).
 */
function fatSpans(boot: Buffer, table: Buffer, fats: number): BlockSpan[] {
  const { reserved, fatSectors, clusterSectors, sectors } = fatGeometry(boot);
  const data = reserved + fats * fatSectors;
  const spans: BlockSpan[] = [span(0, data)];
  const clusters = Math.floor((sectors - data) / clusterSectors);
  for (let index = 0; index < clusters; index += 1) {
    if ((table.readUInt32LE((index + 2) * 4) & 0x0fffffff) === 0) continue;
    const start = data + index * clusterSectors;
    spans.push(span(start, start + clusterSectors));
  }
  return mergeSpans(spans);
}

function fatGeometry(boot: Buffer): {
  clusterSectors: number;
  reserved: number;
  fats: number;
  sectors: number;
  fatSectors: number;
} {
  if (boot.readUInt16LE(510) !== 0xaa55 || boot.readUInt16LE(11) !== SECTOR || boot.readUInt16LE(22) !== 0) {
    throw new Error("this is no FAT32 file system");
  }
  return {
    clusterSectors: boot.readUInt8(13),
    reserved: boot.readUInt16LE(14),
    fats: boot.readUInt8(16),
    sectors: boot.readUInt32LE(32),
    fatSectors: boot.readUInt32LE(36),
  };
}

function span(firstSector: number, endSector: number): BlockSpan {
  return {
    first: Math.floor((firstSector * SECTOR) / BLOCK_SIZE),
    last: Math.ceil((endSector * SECTOR) / BLOCK_SIZE) - 1,
  };
}

function foldersOf(paths: readonly string[]): string[] {
  const folders = new Set<string>();
  for (const path of paths) {
    for (let folder = posix.dirname(path); folder !== "."; folder = posix.dirname(folder)) folders.add(folder);
  }
  return [...folders].toSorted();
}
