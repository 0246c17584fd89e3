import type { Toolbox } from "../core/toolbox.ts";
import { ALIGNMENT, type Layout, type PlacedPartition } from "./layout.ts";
import { reproducibleEnv } from "./reproducible.ts";

const SECTOR = 512;

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
    env: reproducibleEnv,
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
