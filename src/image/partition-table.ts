import type { Toolbox } from "../core/toolbox.ts";
import { BLOCK_SIZE, type BlockSpan } from "./block-map.ts";
import { ALIGNMENT, type Layout, type PlacedPartition } from "./layout.ts";

const SECTOR = 512;

const GPT_ENTRY_SECTORS = (128 * 128) / SECTOR;

/** Partition types by label and file system: sfdisk(8) and `sfdisk --list-types`. */
const TYPES = {
  // The Pi's firmware looks for a FAT type; 0x0c is FAT32 with LBA.
  mbr: { fat32: "0c", ext4: "83", extended: "05" },
  // Microsoft basic data, and Linux file system data.
  gpt: { fat32: "EBD0A0A2-B9E5-4433-87C0-68B6B72699C7", ext4: "0FC63DAF-8483-4772-8E79-3D69D8477DE4" },
} as const;

/** The input for sfdisk(8) that writes a layout's partition table. */
export function sfdiskScript(layout: Layout): string {
  const gpt = layout.table === "gpt";
  const header = [
    `label: ${gpt ? "gpt" : "dos"}`,
    `label-id: ${gpt ? layout.diskId.toUpperCase() : `0x${layout.diskId}`}`,
    "unit: sectors",
    `sector-size: ${SECTOR}`,
    `grain: ${ALIGNMENT}`,
    "",
  ];
  return `${[...header, ...(gpt ? gptLines(layout) : mbrLines(layout))].join("\n")}\n`;
}

/**
 * Blocks that a layout's table needs even where it is zero: the boot record, and for a GPT both copies with all 128
 * entries of 128 bytes, which their checksums cover (UEFI specification 2.10, chapter 5).
 */
export function tableBlocks(layout: Layout): BlockSpan[] {
  const blocks = layout.size / BLOCK_SIZE;
  const header = layout.table === "gpt" ? Math.ceil(((2 + GPT_ENTRY_SECTORS) * SECTOR) / BLOCK_SIZE) : 1;
  const copy = layout.table === "gpt" ? Math.ceil(((1 + GPT_ENTRY_SECTORS) * SECTOR) / BLOCK_SIZE) : 0;
  const spans = [{ first: 0, last: header - 1 }];
  return copy === 0 ? spans : [...spans, { first: blocks - copy, last: blocks - 1 }];
}

/** Writes the partition table into an image file that has the layout's size already. Needs no root. */
export async function writePartitionTable(
  tools: Toolbox,
  image: string,
  layout: Layout,
  signal?: AbortSignal,
): Promise<void> {
  const args = ["--quiet", "--no-reread", "--no-tell-kernel", "--wipe", "never", "--wipe-partitions", "never", image];
  await tools.run("sfdisk", args, {
    input: sfdiskScript(layout),
    ...(signal === undefined ? {} : { signal }),
  });
}

function mbrLines(layout: Layout): string[] {
  const lines: string[] = [];
  const first = layout.partitions.find((partition) => partition.logical);
  for (const partition of layout.partitions) {
    if (first !== undefined && partition === first) {
      const start = first.start - ALIGNMENT;
      lines.push(`${place({ start, size: layout.size - start })}, type=${TYPES.mbr.extended}`);
    }
    const bootable = partition.content === "boot" ? ", bootable" : "";
    lines.push(`${place(partition)}, type=${TYPES.mbr[partition.filesystem]}${bootable}`);
  }
  return lines;
}

function gptLines(layout: Layout): string[] {
  return layout.partitions.map((partition) =>
    [
      place(partition),
      `type=${TYPES.gpt[partition.filesystem]}`,
      `uuid=${partition.partUuid.toUpperCase()}`,
      `name="${partition.name}"`,
    ].join(", "),
  );
}

function place(partition: Pick<PlacedPartition, "start" | "size">): string {
  return `start=${partition.start / SECTOR}, size=${partition.size / SECTOR}`;
}
