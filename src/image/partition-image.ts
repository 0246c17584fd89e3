import { join } from "node:path";
import type { Json } from "../pipeline/digest.ts";
import type { StepOutput } from "../pipeline/step.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { ext4BlocksInUse } from "./ext4.ts";
import { fatBlocksInUse } from "./fat.ts";
import type { PlacedPartition } from "./layout.ts";
import { writeMap } from "./map-file.ts";

/** A partition and what the step made that fills it. */
export interface PartitionImage {
  readonly partition: PlacedPartition;
  /** Holds `<content>.img` and its map. */
  readonly output: StepOutput;
}

/** The name of a partition's image in its step's output: `boot.img`, `root.img`, `data.img`, `empty.img`. */
export function imageName(partition: Pick<PlacedPartition, "content">): string {
  return `${partition.content}.img`;
}

/** What of a partition decides its image's content. Its place does not. */
export function partitionInputs({ name, filesystem, fsUuid, size, grow }: PlacedPartition): Json {
  return { name, filesystem, fsUuid, size, grow };
}

/** Writes the map of a partition's image beside it. */
export async function mapPartition(tools: Toolbox, dir: string, partition: PlacedPartition): Promise<void> {
  const image = imageName(partition);
  const path = join(dir, image);
  const inUse = partition.filesystem === "ext4" ? await ext4BlocksInUse(tools, path) : await fatBlocksInUse(path);
  await writeMap(dir, image, inUse);
}
