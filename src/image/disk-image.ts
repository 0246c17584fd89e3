import { open, stat } from "node:fs/promises";
import { errnoCode, RtkitError, usageError } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";

/** What an image file says about itself: its partition table and the file systems' own headers. */
export interface DiskImage {
  readonly path: string;
  readonly size: number;
  readonly label: "dos" | "gpt";
  /** As sfdisk prints it: `0x4fec61d9`, or a UUID. */
  readonly id: string;
  /** Those that can hold a file system, in the table's order. */
  readonly partitions: readonly ImagePartition[];
}

export interface ImagePartition {
  readonly number: number;
  /** Bytes. */
  readonly start: number;
  readonly size: number;
  /** As sfdisk prints it: `c`, `83`, or a UUID. */
  readonly type: string;
  /** As the kernel's root=PARTUUID= takes it. */
  readonly partUuid: string;
  /** Null when it is neither ext4 nor FAT32. */
  readonly filesystem: FileSystemHeader | null;
}

/** A file system's own kind and names. */
export interface FileSystemHeader {
  readonly type: "ext4" | "fat32";
  readonly label: string;
  /** A UUID, or for FAT the serial number as `XXXX-XXXX`. */
  readonly uuid: string;
}

interface SfdiskJson {
  readonly partitiontable: {
    readonly label: string;
    readonly id: string;
    readonly sectorsize: number;
    readonly partitions: readonly {
      readonly node: string;
      readonly start: number;
      readonly size: number;
      readonly type: string;
      readonly uuid?: string;
    }[];
  };
}

/** MBR types of an extended partition: it holds partitions, no file system. */
const EXTENDED = new Set(["5", "f", "85"]);

/** MBR type that stands for a GPT (UEFI 2.10, 5.2.3): sfdisk shows it when the GPT itself is not to be read. */
const PROTECTIVE = "ee";

/** Where a partition table and a PC's kernel have the same two bytes, and where such a kernel has a name (Documentation/arch/x86/boot.rst). */
const SIGNATURE = { offset: 510, bytes: Buffer.from([0x55, 0xaa]) };
const PC_KERNEL = { offset: 0x202, bytes: Buffer.from("HdrS") };

/** Whether a file begins as a disk does. */
export async function isDiskImage(path: string): Promise<boolean> {
  const file = await open(path);
  try {
    const head = Buffer.alloc(1024);
    await file.read(head, 0, head.length, 0);
    const has = ({ offset, bytes }: typeof SIGNATURE): boolean =>
      head.subarray(offset, offset + bytes.length).equals(bytes);
    return has(SIGNATURE) && !has(PC_KERNEL);
  } finally {
    await file.close();
  }
}

/** The size in bytes of a file that may be an image. Throws RTK_NOT_AN_IMAGE when it is missing or no file. */
export async function imageFileSize(path: string): Promise<number> {
  const info = await stat(path).catch((error: unknown) => {
    throw notAnImage(path, errnoCode(error) === "ENOENT" ? "there is no such file" : "it cannot be read", error);
  });
  if (!info.isFile()) throw notAnImage(path, "it is no regular file");
  return info.size;
}

/** Reads an image's partition table. Throws RTK_NOT_AN_IMAGE when the file has none, and as {@link imageFileSize}. */
export async function openDiskImage(tools: Toolbox, path: string): Promise<DiskImage> {
  const fileSize = await imageFileSize(path);
  const { partitiontable: table } = await readTable(tools, path);
  if (table.label !== "dos" && table.label !== "gpt") throw notAnImage(path, `its partition table is ${table.label}`);
  if (table.label === "dos" && table.partitions.some(({ type }) => type === PROTECTIVE)) {
    throw notAnImage(path, "its partition table is damaged, or it is cut off");
  }
  const end = Math.max(0, ...table.partitions.map(({ start, size }) => (start + size) * table.sectorsize));
  if (end > fileSize) throw notAnImage(path, `it is cut off: ${fileSize} bytes of at least ${end}`);
  const partitions: ImagePartition[] = [];
  const file = await open(path, "r");
  try {
    for (const { node, start, size, type, uuid } of table.partitions) {
      if (EXTENDED.has(type)) continue;
      const number = Number(/(\d+)$/.exec(node.slice(path.length))?.[1]);
      const offset = start * table.sectorsize;
      const head = Buffer.alloc(4096);
      await file.read(head, 0, head.length, offset);
      partitions.push({
        number,
        start: offset,
        size: size * table.sectorsize,
        type,
        partUuid: uuid?.toLowerCase() ?? `${table.id.replace("0x", "")}-${number.toString(16).padStart(2, "0")}`,
        filesystem: fileSystemHeader(head),
      });
    }
  } finally {
    await file.close();
  }
  return { path, size: fileSize, label: table.label, id: table.id, partitions };
}

/** The partition that firmware reads: the first FAT32. Throws RTK_NOT_AN_IMAGE when there is none. */
export function bootPartition(image: DiskImage): ImagePartition {
  const found = image.partitions.find(({ filesystem }) => filesystem?.type === "fat32");
  if (found === undefined) throw notAnImage(image.path, "it has no FAT32 partition to boot from");
  return found;
}

/** A file that rtkit did not build, or not whole. */
export function notAnImage(path: string, reason: string, cause?: unknown): RtkitError {
  return usageError("RTK_NOT_AN_IMAGE", `${path} is not an image of rtkit: ${reason}`, {
    hint: "give an .img file that rtkit build wrote",
    ...(cause === undefined ? {} : { cause }),
  });
}

/**
 * What the first 4096 bytes of a partition say: ext4's superblock at 1024 (Documentation/filesystems/ext4/super.rst), or
 * FAT32's boot sector (Microsoft, FAT specification 1.03).
 */
export function fileSystemHeader(head: Buffer): FileSystemHeader | null {
  if (head.readUInt16LE(1024 + 0x38) === 0xef53) {
    const hex = head.toString("hex", 1024 + 0x68, 1024 + 0x78);
    const uuid = hex.replace(/^(.{8})(.{4})(.{4})(.{4})(.{12})$/, "$1-$2-$3-$4-$5");
    return { type: "ext4", label: head.toString("utf8", 1024 + 0x78, 1024 + 0x88).replace(/\0.*$/s, ""), uuid };
  }
  if (head.toString("latin1", 82, 90) === "FAT32   ") {
    const serial = head.readUInt32LE(67).toString(16).padStart(8, "0").toUpperCase();
    const uuid = `${serial.slice(0, 4)}-${serial.slice(4)}`;
    return { type: "fat32", label: head.toString("latin1", 71, 82).trimEnd(), uuid };
  }
  return null;
}

async function readTable(tools: Toolbox, path: string): Promise<SfdiskJson> {
  try {
    const { stdout } = await tools.run("sfdisk", ["--json", path]);
    return JSON.parse(stdout) as SfdiskJson;
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    throw notAnImage(path, "it has no partition table", error);
  }
}
