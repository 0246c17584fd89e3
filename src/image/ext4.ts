import { open } from "node:fs/promises";
import { createReadStream } from "node:fs";
import { finished, type Readable } from "node:stream";
import { RtkitError, usageError } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { formatSize } from "../core/units.ts";
import { BLOCK_SIZE, mergeSpans, type BlockSpan } from "./block-map.ts";
import { BYTES_PER_INODE, JOURNAL_BYTES, RESERVED_PERCENT } from "./content-size.ts";
import { uuidOf } from "./identity.ts";

/** What an ext4 file system is made of. */
export interface Ext4Options {
  /** The root's content, as a tar stream or file with owners, modes and extended attributes; null for none. */
  readonly tar: Readable | string | null;
  /** The image file to write; replaced when it exists. */
  readonly file: string;
  /** Bytes, a multiple of {@link BLOCK_SIZE}. */
  readonly size: number;
  /** At most 16 bytes (ext4's limit). */
  readonly label: string;
  readonly uuid: string;
  /** True when the board enlarges it: room for descriptors up to {@link GROWN_BYTES} is kept. */
  readonly grow: boolean;
  readonly signal?: AbortSignal;
}

/** The largest size to which a file system that grows can be brought without being rebuilt: 1 TiB, SDXC's usual end. */
const GROWN_BYTES = 1024 ** 4;

/**
 * What Debian 13's mke2fs gives an ext4, written out so that no configuration file decides it. Its kernel and e2fsck
 * know all of them; the newest, orphan_file, is of Linux 5.15.
 */
const FEATURES = [
  "none",
  "has_journal",
  "ext_attr",
  "resize_inode",
  "dir_index",
  "orphan_file",
  "filetype",
  "extent",
  "64bit",
  "flex_bg",
  "metadata_csum_seed",
  "sparse_super",
  "large_file",
  "huge_file",
  "dir_nlink",
  "extra_isize",
  "metadata_csum",
];

/**
 * Makes an ext4 file system in a sparse file, as an ordinary user: mke2fs 1.47.1 and later read a tar (`-d -`).
 * Equal options give equal bytes. Throws RTK_IMAGE_TOO_SMALL when the content does not fit, and what the tar stream
 * failed with when it did.
 */
export async function makeExt4(tools: Toolbox, options: Ext4Options): Promise<void> {
  const { file, size, label, uuid, signal } = options;
  const tar = typeof options.tar === "string" ? createReadStream(options.tar) : options.tar;
  // A stream that breaks off between two entries looks like a whole tar to mke2fs.
  const broken = new AbortController();
  if (tar !== null) finished(tar, (error) => (error ? broken.abort(error) : undefined));
  await makeSparse(file, size);
  const extended = [
    `hash_seed=${uuidOf(`${uuid} directory hash`)}`,
    "root_owner=0:0",
    // Left to the kernel, both would be done while the robot runs.
    "lazy_itable_init=0",
    "lazy_journal_init=0",
    ...(options.grow ? [`resize=${GROWN_BYTES / BLOCK_SIZE}`] : []),
  ];
  const args = ["-q", "-F", "-t", "ext4", "-O", FEATURES.join(","), "-b", String(BLOCK_SIZE), "-I", "256"];
  args.push("-i", String(BYTES_PER_INODE), "-m", String(RESERVED_PERCENT), "-J", `size=${JOURNAL_BYTES / 1024 ** 2}`);
  args.push("-L", label, "-U", uuid, "-E", extended.join(","));
  if (tar !== null) args.push("-d", "-");
  args.push(file, String(size / BLOCK_SIZE));
  try {
    await tools.run("mke2fs", args, {
      ...(tar === null ? {} : { stdin: tar }),
      signal: signal === undefined ? broken.signal : AbortSignal.any([signal, broken.signal]),
    });
    broken.signal.throwIfAborted();
  } catch (error) {
    throw explain(error, options);
  } finally {
    tar?.destroy();
  }
}

/** Blocks that the file system in an image has allocated, asked of dumpe2fs(8). */
export async function ext4BlocksInUse(tools: Toolbox, file: string): Promise<BlockSpan[]> {
  const { stdout } = await tools.run("dumpe2fs", [file]);
  return parseDumpe2fs(stdout);
}

/** Allocated blocks from what dumpe2fs(8) printed: all but each group's "Free blocks". */
export function parseDumpe2fs(text: string): BlockSpan[] {
  const used: BlockSpan[] = [];
  const groups = text.split(/^(?=Group \d+: )/m).filter((part) => part.startsWith("Group "));
  if (groups.length === 0) throw new Error(`unknown output of dumpe2fs: ${text.slice(0, 200)}`);
  for (const group of groups) {
    const bounds = /^Group \d+: \(Blocks (\d+)-(\d+)\)/.exec(group);
    const free = /^ {2}Free blocks: (.*)$/m.exec(group);
    if (bounds === null || free === null) throw new Error(`unknown output of dumpe2fs: ${group.slice(0, 200)}`);
    let next = Number(bounds[1]);
    for (const [, first = "", last = first] of (free[1] ?? "").matchAll(/(\d+)(?:-(\d+))?/g)) {
      if (Number(first) > next) used.push({ first: next, last: Number(first) - 1 });
      next = Number(last) + 1;
    }
    if (next <= Number(bounds[2])) used.push({ first: next, last: Number(bounds[2]) });
  }
  return mergeSpans(used);
}

/** Makes a file of `size` bytes that takes no room. */
export async function makeSparse(file: string, size: number): Promise<void> {
  const handle = await open(file, "w");
  try {
    await handle.truncate(size);
  } finally {
    await handle.close();
  }
}

function explain(error: unknown, { label, size }: Ext4Options): unknown {
  // libext2fs: EXT2_ET_BLOCK_ALLOC_FAIL, EXT2_ET_INODE_ALLOC_FAIL; mke2fs: figure_journal_size().
  const full = /Could not allocate (block|inode)|journal size too big/;
  if (!(error instanceof RtkitError) || !full.test(error.message)) return error;
  return usageError("RTK_IMAGE_TOO_SMALL", `the content of partition ${label} does not fit into ${formatSize(size)}`, {
    hint: "make it larger in the board file, or set its size to auto",
    cause: error,
  });
}
