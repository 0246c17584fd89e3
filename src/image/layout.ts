import type { Board, Partition } from "../config/model.ts";
import { RtkitError, throwIfAny, usageError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { ext4SizeFor, fat32SizeFor, FAT32_MIN_BYTES, type ContentSize } from "./content-size.ts";
import type { DiskIdentity, PartitionIdentity } from "./identity.ts";

/** Where everything lies on a disk. All figures are bytes and multiples of {@link ALIGNMENT}. */
export interface Layout {
  readonly table: "mbr" | "gpt";
  /** See {@link DiskIdentity}. */
  readonly diskId: string;
  /** Size of the whole image. */
  readonly size: number;
  /** In the order they stand on the disk. */
  readonly partitions: readonly PlacedPartition[];
}

/** A partition of the board with its place and its names. */
export interface PlacedPartition extends PartitionIdentity {
  readonly content: Partition["content"];
  readonly filesystem: Partition["filesystem"];
  readonly mount: string | null;
  readonly grow: boolean;
  readonly start: number;
  readonly size: number;
}

/** How much the partitions of each kind hold. */
export type PartitionContents = Readonly<Record<Exclude<Partition["content"], "empty">, ContentSize>>;

const NOTHING: ContentSize = { bytes: 0, entries: 0 };

/**
 * Starts and sizes are multiples of 4 MiB: the erase block (AU) of common SD cards, so that no write of one partition
 * makes the card rewrite a block of another.
 */
export const ALIGNMENT = 4 * 1024 ** 2;

/** An MBR counts 512-byte sectors in 32 bits. */
const MBR_MAX_BYTES = 2 ** 32 * 512;

/**
 * Places a board's partitions. `contents` says how much a partition must hold, by what it is for.
 * Throws RTK_IMAGE_TOO_SMALL when a content does not fit its partition's fixed size, and RTK_IMAGE_LAYOUT when the
 * partitions cannot stand on such a disk.
 */
export function layOut(board: Board, identity: DiskIdentity, contents: PartitionContents): Layout {
  const errors: RtkitError[] = [];
  const placed: PlacedPartition[] = [];
  let offset = ALIGNMENT;
  for (const [index, partition] of board.partitions.entries()) {
    const names = identity.partitions[index];
    if (names === undefined) throw new Error(`identity of another board than ${board.name}`);
    const size = sizeOf(
      board,
      partition,
      partition.content === "empty" ? NOTHING : contents[partition.content],
      errors,
    );
    // The boot record that describes a logical partition stands in front of it.
    if (names.logical) offset += ALIGNMENT;
    const { content, filesystem, mount, grow } = partition;
    placed.push({ ...names, content, filesystem, mount, grow, start: offset, size });
    offset += size;
  }
  // The copy of a GPT stands at the very end.
  const size = identity.table === "gpt" ? offset + ALIGNMENT : offset;
  if (identity.table === "mbr" && size > MBR_MAX_BYTES) {
    errors.push(
      layoutError(board, `needs ${formatSize(size)}, but an MBR reaches ${formatSize(MBR_MAX_BYTES)}`, "use gpt"),
    );
  }
  throwIfAny(errors);
  return { table: identity.table, diskId: identity.diskId, size, partitions: placed };
}

/** The one partition of a kind that a board boots from; the first when there are several. Throws RTK_IMAGE_LAYOUT when there is none. */
export function partitionOf<P extends { readonly content: Partition["content"] }>(
  partitions: readonly P[],
  content: "boot" | "root" | "data",
): P {
  const found = partitions.find((partition) => partition.content === content);
  if (found === undefined) {
    throw usageError("RTK_IMAGE_LAYOUT", `the board has no ${content} partition`, {
      hint: `add one with "content: ${content}" to the board file`,
    });
  }
  return found;
}

function sizeOf(board: Board, partition: Partition, content: ContentSize, errors: RtkitError[]): number {
  const needed = (spare: number): number =>
    partition.filesystem === "fat32" ? fat32SizeFor(content, spare) : ext4SizeFor(content, spare);
  if (partition.size === "auto") return roundUp(needed(partition.spare));
  const size = roundUp(partition.size);
  const least = needed(0);
  if (size < least) {
    errors.push(
      usageError(
        "RTK_IMAGE_TOO_SMALL",
        `partition ${partition.name} of board ${board.name} is ${formatSize(partition.size)}, but its content needs ${formatSize(roundUp(least))}`,
        { hint: "make it larger in the board file, or set its size to auto" },
      ),
    );
  }
  if (partition.filesystem === "fat32" && size < FAT32_MIN_BYTES) {
    const least32 = formatSize(FAT32_MIN_BYTES);
    errors.push(layoutError(board, `is too small for FAT32 in ${partition.name}`, `give it at least ${least32}`));
  }
  return size;
}

function layoutError(board: Board, problem: string, hint: string): RtkitError {
  return usageError("RTK_IMAGE_LAYOUT", `the partition table of board ${board.name} ${problem}`, { hint });
}

function roundUp(bytes: number): number {
  return Math.ceil(bytes / ALIGNMENT) * ALIGNMENT;
}
