/** Bytes of an image. */
export interface ByteRange {
  /** From the image's beginning. */
  readonly offset: number;
  readonly length: number;
}

/** Where a file lies in an image, or why that cannot be said. */
export type FatFile =
  | { readonly ranges: readonly ByteRange[] }
  | { readonly missing: "file system" | "file" }
  /** It may be there: what tells so, or the file itself, lies behind the head. */
  | { readonly missing: "beyond" };

/** A FAT's measures in bytes, offsets from the image's beginning (Microsoft, FAT specification 1.03, 3). */
interface Fat {
  readonly bits: 12 | 16 | 32;
  readonly table: number;
  /** The fixed root directory of FAT12 and FAT16. */
  readonly root: ByteRange;
  /** The first cluster of FAT32's root directory. */
  readonly rootCluster: number;
  readonly data: number;
  readonly clusterBytes: number;
  readonly clusters: number;
}

const SECTOR = 512;

/** MBR types of FAT partitions (sfdisk --list-types), and the one that stands for a GPT (UEFI 2.10, 5.2.3). */
const FAT_TYPES: ReadonlySet<number> = new Set([0x01, 0x04, 0x06, 0x0b, 0x0c, 0x0e, 0xef]);
const PROTECTIVE = 0xee;

/** The file attributes of one piece of a long name, of a folder and of the volume's label (FAT specification 1.03, 6 and 7). */
const LONG_NAME = 0x0f;
const NOT_A_FILE = 0x18;

const ENTRY_BYTES = 32;

/** Thrown inside this file only. */
class BeyondHead extends Error {}

/**
 * Finds a file of the root directory of an image's first FAT partition (FAT12, 16 or 32; on MBR or GPT, or the image is the
 * file system) in the image's first bytes: the ranges of its content in order, together as long as the file. `name` is
 * compared as FAT does, without regard to case; one that is no long name has to be ASCII. Pure; needs no whole image and no FAT tools.
 */
export function findFatFile(head: Buffer, name: string): FatFile {
  try {
    for (const start of partitionStarts(head)) {
      const fat = readFat(head, start);
      if (fat !== undefined) return findInRoot(head, fat, name);
    }
    return { missing: "file system" };
  } catch (error) {
    if (error instanceof BeyondHead) return { missing: "beyond" };
    throw error;
  }
}

/** Where partitions that may hold a FAT start, in bytes. */
function partitionStarts(head: Buffer): number[] {
  if (head.length < SECTOR || head.readUInt16LE(510) !== 0xaa55) return [];
  const entries = [0, 1, 2, 3].map((index) => head.subarray(446 + index * 16, 462 + index * 16));
  if (entries.some((entry) => entry.readUInt8(4) === PROTECTIVE)) return gptStarts(head);
  const starts = entries
    .filter((entry) => FAT_TYPES.has(entry.readUInt8(4)))
    .map((entry) => entry.readUInt32LE(8) * SECTOR);
  // Without a table the first sector is the file system's own.
  return [...starts, 0];
}

/** The same by a GPT's header and entries (UEFI 2.10, 5.3). */
function gptStarts(head: Buffer): number[] {
  const header = slice(head, SECTOR, SECTOR);
  if (header.toString("latin1", 0, 8) !== "EFI PART") return [];
  const table = Number(header.readBigUInt64LE(72)) * SECTOR;
  const [count, size] = [header.readUInt32LE(80), header.readUInt32LE(84)];
  // What the firmware would not take either; and no more than are in the head.
  const entries = size < 128 ? 0 : Math.min(count, Math.floor((head.length - table) / size));
  const starts: number[] = [];
  for (let index = 0; index < entries; index += 1) {
    const entry = slice(head, table + index * size, size);
    if (entry.subarray(0, 16).some((byte) => byte !== 0)) starts.push(Number(entry.readBigUInt64LE(32)) * SECTOR);
  }
  return starts;
}

/** A FAT at an offset; undefined where there is none, or it lies behind the head. */
function readFat(head: Buffer, start: number): Fat | undefined {
  if (start + SECTOR > head.length) return undefined;
  const boot = head.subarray(start, start + SECTOR);
  const sectorBytes = boot.readUInt16LE(11);
  const clusterSectors = boot.readUInt8(13);
  const reserved = boot.readUInt16LE(14);
  const fats = boot.readUInt8(16);
  const isFat =
    boot.readUInt16LE(510) === 0xaa55 &&
    [512, 1024, 2048, 4096].includes(sectorBytes) &&
    isPowerOfTwo(clusterSectors) &&
    reserved > 0 &&
    (fats === 1 || fats === 2);
  if (!isFat) return undefined;
  const sectors = boot.readUInt16LE(19) || boot.readUInt32LE(32);
  const tableSectors = boot.readUInt16LE(22) || boot.readUInt32LE(36);
  const rootBytes = boot.readUInt16LE(17) * ENTRY_BYTES;
  const rootStart = reserved + fats * tableSectors;
  const dataStart = rootStart + Math.ceil(rootBytes / sectorBytes);
  if (tableSectors === 0 || sectors <= dataStart) return undefined;
  const clusters = Math.floor((sectors - dataStart) / clusterSectors);
  return {
    // The count of clusters alone decides, but for FAT32's own layout (FAT specification 1.03, 3.5).
    bits: boot.readUInt16LE(22) === 0 ? 32 : clusters < 4085 ? 12 : 16,
    table: start + reserved * sectorBytes,
    root: { offset: start + rootStart * sectorBytes, length: rootBytes },
    rootCluster: boot.readUInt32LE(44),
    data: start + dataStart * sectorBytes,
    clusterBytes: clusterSectors * sectorBytes,
    clusters,
  };
}

function findInRoot(head: Buffer, fat: Fat, name: string): FatFile {
  const wanted = name.toLowerCase();
  let longName = "";
  for (const entry of rootEntries(head, fat)) {
    const first = entry.readUInt8(0);
    if (first === 0) break;
    const attributes = entry.readUInt8(11);
    if (first === 0xe5) {
      longName = "";
    } else if ((attributes & 0x3f) === LONG_NAME) {
      // Pieces of a long name stand in front of its entry, the last one first.
      longName = longNamePiece(entry) + ((first & 0x40) === 0 ? longName : "");
    } else {
      const isWanted = [longName, shortName(entry)].some((candidate) => candidate.toLowerCase() === wanted);
      if (isWanted && (attributes & NOT_A_FILE) === 0) return { ranges: contentRanges(head, fat, entry) };
      longName = "";
    }
  }
  return { missing: "file" };
}

function* rootEntries(head: Buffer, fat: Fat): Generator<Buffer> {
  const parts = fat.bits === 32 ? chain(head, fat, fat.rootCluster) : [fat.root];
  for (const { offset, length } of parts) {
    for (let at = 0; at < length; at += ENTRY_BYTES) yield slice(head, offset + at, ENTRY_BYTES);
  }
}

function contentRanges(head: Buffer, fat: Fat, entry: Buffer): ByteRange[] {
  const high = fat.bits === 32 ? entry.readUInt16LE(20) : 0;
  let left = entry.readUInt32LE(28);
  const ranges: ByteRange[] = [];
  if (left === 0) return ranges;
  for (const { offset, length } of chain(head, fat, high * 0x10000 + entry.readUInt16LE(26))) {
    const range = { offset, length: Math.min(length, left) };
    slice(head, range.offset, range.length);
    const last = ranges.at(-1);
    if (last !== undefined && last.offset + last.length === offset) {
      ranges[ranges.length - 1] = { offset: last.offset, length: last.length + range.length };
    } else {
      ranges.push(range);
    }
    left -= range.length;
    if (left === 0) return ranges;
  }
  // A file that is longer than its chain is damaged: what is missing is nowhere.
  throw new BeyondHead();
}

/** The clusters of a chain, as long as the table says, and never in a circle. */
function* chain(head: Buffer, fat: Fat, first: number): Generator<ByteRange> {
  let cluster = first;
  for (let count = 0; count < fat.clusters && cluster >= 2 && cluster < fat.clusters + 2; count += 1) {
    yield { offset: fat.data + (cluster - 2) * fat.clusterBytes, length: fat.clusterBytes };
    cluster = nextCluster(head, fat, cluster);
  }
}

/** A table's entry (FAT specification 1.03, 4). */
function nextCluster(head: Buffer, { bits, table }: Fat, cluster: number): number {
  if (bits === 32) return slice(head, table + cluster * 4, 4).readUInt32LE(0) & 0x0fffffff;
  if (bits === 16) return slice(head, table + cluster * 2, 2).readUInt16LE(0);
  const pair = slice(head, table + Math.floor(cluster * 1.5), 2).readUInt16LE(0);
  return cluster % 2 === 0 ? pair & 0xfff : pair >> 4;
}

/** 13 characters of UTF-16 in three places; the last piece ends with 0 and is filled up with 0xffff. */
function longNamePiece(entry: Buffer): string {
  const units = [entry.subarray(1, 11), entry.subarray(14, 26), entry.subarray(28, 32)];
  return Buffer.concat(units)
    .toString("utf16le")
    .replace(/[\0\uffff].*$/s, "");
}

function shortName(entry: Buffer): string {
  const extension = entry.toString("latin1", 8, 11).trimEnd();
  return `${entry.toString("latin1", 0, 8).trimEnd()}${extension === "" ? "" : "."}${extension}`;
}

function slice(head: Buffer, offset: number, length: number): Buffer {
  if (offset + length > head.length) throw new BeyondHead();
  return head.subarray(offset, offset + length);
}

function isPowerOfTwo(value: number): boolean {
  return value > 0 && (value & (value - 1)) === 0;
}
