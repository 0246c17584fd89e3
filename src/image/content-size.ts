/** How much a file system must hold. */
export interface ContentSize {
  /** Bytes in regular files. */
  readonly bytes: number;
  /** Files, folders, links and device nodes. */
  readonly entries: number;
}

const MIB = 1024 ** 2;
const BLOCK = 4096;

/** The journal of every ext4 that rtkit makes: enough for a card's write rate, small enough to replay at once. */
export const JOURNAL_BYTES = 16 * MIB;

/** One inode for so many bytes: mke2fs's own ratio for a root file system (mke2fs.conf, `inode_ratio`). */
export const BYTES_PER_INODE = 16384;

/** Blocks kept for root so that logging in still works on a full disk, in per cent. */
export const RESERVED_PERCENT = 1;

const INODE_BYTES = 256;

/** Descriptors, bitmaps, backup superblocks and what resize2fs reserves: 1 block in 256, and this much besides. */
const EXT4_FIXED = 8 * MIB;
const EXT4_OVERHEAD = INODE_BYTES / BYTES_PER_INODE + RESERVED_PERCENT / 100 + 1 / 256;

/** FAT32 has at least 65525 clusters (Microsoft, FAT specification 1.03); two FATs of 4 bytes for each come on top. */
export const FAT32_MIN_BYTES = 36 * MIB;

/** Bytes of an ext4 that holds `content` with `spare` bytes left for ordinary users. Errs on the large side. */
export function ext4SizeFor(content: ContentSize, spare: number): number {
  // Each entry may waste most of a block: the tail of a file, a folder's own block, a long link's.
  const files = content.bytes + content.entries * BLOCK + spare;
  // mke2fs wants at least half of what is free to be left beside the journal.
  const data = Math.max(files, JOURNAL_BYTES) + JOURNAL_BYTES + EXT4_FIXED;
  const forInodes = (content.entries * 1.25 + 1024) * BYTES_PER_INODE;
  return Math.ceil(Math.max(data / (1 - EXT4_OVERHEAD), forInodes));
}

/** Bytes of a FAT32 that holds `content` with `spare` bytes left. Errs on the large side. */
export function fat32SizeFor(content: ContentSize, spare: number): number {
  const data = content.bytes + content.entries * 2 * BLOCK + spare;
  // Two FATs take 8 bytes for each cluster of 512 bytes at least.
  return Math.ceil(Math.max(data * (1 + 8 / 512) + MIB, FAT32_MIN_BYTES));
}
