import type { Readable } from "node:stream";
import type { Toolbox } from "../core/toolbox.ts";
import type { Json } from "../pipeline/digest.ts";
import type { Step } from "../pipeline/step.ts";
import { makeExt4 } from "./ext4.ts";
import { makeFat } from "./fat.ts";
import type { PlacedPartition } from "./layout.ts";
import { imagePath, packPartition, partitionInputs } from "./partition-image.ts";

/** A file system's content that is made when it is read. */
export interface TarSource {
  /** Decides the stream's bytes: the digest of all they are made from. */
  readonly digest: Json;
  /** Opens the stream: a tar with owners, modes and extended attributes. */
  readonly open: (signal: AbortSignal) => Promise<Readable>;
}

/** Makes the ext4 of the layered root file system. */
export function rootStep(options: {
  readonly tools: Toolbox;
  readonly partition: PlacedPartition;
  readonly tar: TarSource;
}): Step {
  return ext4Step("root", "Root file system", options);
}

/** Makes a file system with nothing in it. */
export function emptyStep(options: { readonly tools: Toolbox; readonly partition: PlacedPartition }): Step {
  const { tools, partition } = options;
  const name = `empty-${partition.name.toLowerCase()}`;
  const title = `Empty partition ${partition.name}`;
  if (partition.filesystem === "ext4") return ext4Step(name, title, { tools, partition, tar: null });
  return {
    name,
    title,
    inputs: { tools: tools.digest, sourceDateEpoch: tools.sourceDateEpoch, partition: partitionInputs(partition) },
    run: async (outDir, { signal }) => {
      const { size, name: label, fsUuid: serial } = partition;
      await makeFat(tools, {
        file: imagePath(outDir, partition),
        size,
        label,
        serial,
        files: new Map(),
        signal,
      });
      await packPartition(tools, outDir, partition);
    },
  };
}

/** Makes an ext4 partition's blocks. */
export function ext4Step(
  name: string,
  title: string,
  options: { readonly tools: Toolbox; readonly partition: PlacedPartition; readonly tar: TarSource | null },
): Step {
  const { tools, partition, tar } = options;
  return {
    name,
    title,
    inputs: {
      tools: tools.digest,
      sourceDateEpoch: tools.sourceDateEpoch,
      partition: partitionInputs(partition),
      tar: tar === null ? null : tar.digest,
    },
    run: async (outDir, { signal, progress }) => {
      progress("writing the file system");
      await makeExt4(tools, {
        tar: tar === null ? null : await tar.open(signal),
        file: imagePath(outDir, partition),
        size: partition.size,
        label: partition.name,
        uuid: partition.fsUuid,
        grow: partition.grow,
        signal,
      });
      progress("packing its blocks");
      await packPartition(tools, outDir, partition);
    },
  };
}
