import type { Board, Partition } from "../config/model.ts";
import { sha256 } from "../pipeline/digest.ts";

/** What names a disk and its partitions. It depends on names only, not on sizes, so boot files can use it first. */
export interface DiskIdentity {
  readonly table: "mbr" | "gpt";
  /** MBR: the 32-bit disk signature as 8 lower-case hex digits, never 0. GPT: the disk's UUID in lower case. */
  readonly diskId: string;
  /** In the order of the board's partitions. */
  readonly partitions: readonly PartitionIdentity[];
}

export interface PartitionIdentity {
  readonly name: string;
  /** The number in the kernel's device name (`mmcblk0p<number>`). On an MBR logical partitions count from 5. */
  readonly number: number;
  /** True for a partition inside the extended one of an MBR. */
  readonly logical: boolean;
  /**
   * What `root=PARTUUID=` takes. GPT: the partition's UUID. MBR: `<disk signature>-<number>`, both in hex, two digits
   * for the number (block/partitions/msdos.c, set_info).
   */
  readonly partUuid: string;
  /** ext4: a UUID. FAT: the volume serial number as blkid writes it, `XXXX-XXXX`. */
  readonly fsUuid: string;
}

/** Primary entries that an MBR has. */
const MBR_ENTRIES = 4;

/** Names a project's disk on a board. The same names give the same identity on any machine. */
export function diskIdentity(projectName: string, board: Board): DiskIdentity {
  const seed = [projectName, board.name, ...board.partitions.map((partition) => partition.name)].join("\n");
  const table = board.partitionTable;
  const diskId = table === "gpt" ? uuidOf(`${seed}\ndisk`) : nonZeroHex(`${seed}\ndisk`);
  // With more partitions than entries, the last entry is the extended partition that holds the rest.
  const primaries = table === "mbr" && board.partitions.length > MBR_ENTRIES ? MBR_ENTRIES - 1 : Infinity;
  const partitions = board.partitions.map((partition, index): PartitionIdentity => {
    const logical = index >= primaries;
    const number = logical ? index - primaries + MBR_ENTRIES + 1 : index + 1;
    const partUuid =
      table === "gpt"
        ? uuidOf(`${seed}\npartition ${partition.name}`)
        : `${diskId}-${number.toString(16).padStart(2, "0")}`;
    return { name: partition.name, number, logical, partUuid, fsUuid: fileSystemUuid(seed, partition) };
  });
  return { table, diskId, partitions };
}

/** A UUID made of text: the first 128 bits of its sha256, marked as version 8 (RFC 9562, 5.8: vendor-specific). */
export function uuidOf(text: string): string {
  const hex = sha256(text);
  const variant = ((Number.parseInt(hex.slice(16, 17), 16) & 0x3) | 0x8).toString(16);
  return `${hex.slice(0, 8)}-${hex.slice(8, 12)}-8${hex.slice(13, 16)}-${variant}${hex.slice(17, 20)}-${hex.slice(20, 32)}`;
}

function fileSystemUuid(seed: string, partition: Partition): string {
  const text = `${seed}\nfile system ${partition.name}`;
  if (partition.filesystem === "ext4") return uuidOf(text);
  const serial = nonZeroHex(text).toUpperCase();
  return `${serial.slice(0, 4)}-${serial.slice(4)}`;
}

/** 8 hex digits; a signature of 0 means "none" to the kernel and to sfdisk. */
function nonZeroHex(text: string): string {
  const hex = sha256(text).slice(0, 8);
  return hex === "00000000" ? "00000001" : hex;
}
