import { join } from "node:path";
import type { Json } from "../pipeline/digest.ts";
import type { StepOutput } from "../pipeline/step.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { ext4BlocksInUse } from "./ext4.ts";
import { fatBlocksInUse } from "./fat.ts";
import type { PlacedPartition } from "./layout.ts";
import { packBlocks } from "./map-file.ts";

/** A partition and what the step made that fills it. */
export interface PartitionImage {
  readonly partition: PlacedPartition;
  /** What {@link packPartition} left. */
  readonly output: StepOutput;
}

/** Where a step makes its partition's image: `root.img`. */
export function imagePath(outDir: string, { content }: Pick<PlacedPartition, "content">): string {
  return join(outDir, `${content}.img`);
}

/** What of a partition decides its image's content. Its place does not. */
export function partitionInputs({ name, filesystem, fsUuid, size, grow }: PlacedPartition): Json {
  return { name, filesystem, fsUuid, size, grow, format: "packed blocks" };
}

/** Replaces a partition's image by the blocks that its file system uses, and their map. */
export async function packPartition(tools: Toolbox, outDir: string, partition: PlacedPartition): Promise<void> {
  const image = imagePath(outDir, partition);
  const inUse = partition.filesystem === "ext4" ? await ext4BlocksInUse(tools, image) : await fatBlocksInUse(image);
  await packBlocks(image, inUse);
}
