import { execa } from "execa";
import { open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";

/** A FAT made by mkfs.vfat and mtools, which are not ours. */
export interface FatShape {
  readonly bits: 12 | 16 | 32;
  /** Sectors of 512 bytes. */
  readonly clusterSectors: number;
  /** Files in the root directory, in the order they are written. */
  readonly files: readonly { readonly name: string; readonly content: Buffer }[];
}

/** A size in KiB at which each kind has as many clusters as its rules ask for (FAT specification 1.03, 3.5). */
const SIZE_KIB = { 12: 2048, 16: 8192, 32: 68_000 } as const;

/** mtools converts names from the locale's characters. */
function mtools(input: Buffer): { input: Buffer; env: Record<string, string> } {
  return { input, env: { LC_ALL: "C.UTF-8" } };
}

/** Makes the file system, alone in a file, and returns its bytes. */
export async function makeFatImage(dir: string, { bits, clusterSectors, files }: FatShape): Promise<Buffer> {
  const image = join(dir, "fat.img");
  await writeFile(image, "");
  await truncate(image, SIZE_KIB[bits] * 1024 * (bits === 12 ? 1 : clusterSectors));
  await execa("mkfs.vfat", ["-F", String(bits), "-s", String(clusterSectors), "-n", "BOOT", image]);
  for (const { name, content } of files) await execa("mcopy", ["-i", image, "-", `::/${name}`], mtools(content));
  return readFile(image);
}

/** Puts a file system into the only partition of a disk, at 1 MiB. */
export async function onDisk(dir: string, label: "dos" | "gpt", fat: Buffer): Promise<Buffer> {
  const disk = join(dir, "disk.img");
  const start = 1024 ** 2;
  await writeFile(disk, "");
  await truncate(disk, start + fat.length + 1024 ** 2);
  const type = label === "dos" ? "c" : "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7";
  const script = `label: ${label}\nstart=2048, size=${fat.length / 512}, type=${type}\n`;
  await execa("sfdisk", ["--quiet", "--no-reread", "--no-tell-kernel", disk], { input: script });
  const file = await open(disk, "r+");
  await file.write(fat, 0, fat.length, start);
  await file.close();
  return readFile(disk);
}

/** Deletes a file of a FAT image in the file that {@link makeFatImage} left, and writes another one: it fills the gap first. */
export async function replaceFile(dir: string, gone: string, name: string, content: Buffer): Promise<Buffer> {
  const image = join(dir, "fat.img");
  await execa("mdel", ["-i", image, `::/${gone}`]);
  await execa("mcopy", ["-i", image, "-", `::/${name}`], mtools(content));
  return readFile(image);
}
