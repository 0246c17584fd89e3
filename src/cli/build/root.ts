import { readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Project } from "../../config/model.ts";
import type { BootPlan } from "../../image/boot-step.ts";
import type { ContentSize } from "../../image/content-size.ts";
import type { TarSource } from "../../image/ext4-step.ts";
import type { StepOutput } from "../../pipeline/step.ts";
import { generatedLayer, type MountedPartition } from "../../rootfs/generated-layer.ts";
import { layerInputs, type Layer } from "../../rootfs/layer.ts";
import { planLayers, type LayerPlan } from "../../rootfs/layer-plan.ts";
import { layeredTar } from "../../rootfs/layer-tar.ts";
import type { TreeIndex } from "../../rootfs/tree-index.ts";

/** The root file system before it has a partition: how large it is, and its content as a tar. */
export interface LayeredRoot {
  readonly size: ContentSize;
  readonly tar: TarSource;
}

/**
 * Puts the overlays and the generated files over the packages. Throws the mistakes of planLayers.
 */
export async function layerRoot(
  project: Project,
  options: {
    readonly packages: StepOutput;
    readonly contents: StepOutput;
    readonly layers: readonly Layer[];
    readonly boot: BootPlan;
    /** Seconds since 1970. */
    readonly sourceDateEpoch: number;
  },
): Promise<LayeredRoot> {
  const { packages, contents, boot, sourceDateEpoch } = options;
  const generated = generatedLayer(project, {
    partitions: mountedPartitions(project, boot),
    cmdline: boot.cmdline.split(" ").filter((word) => !/^(root|console)=/.test(word)),
  });
  const layers = [...options.layers, generated];
  const tree = JSON.parse(await readFile(join(contents.dir, "index.json"), "utf8")) as TreeIndex;
  const plan: LayerPlan = planLayers(tree, layers);
  return {
    size: { bytes: plan.bytes, entries: plan.entries },
    tar: {
      digest: { packages: packages.digest, layers: await layerInputs(layers) },
      open: async () => layeredTar(join(packages.dir, "packages.tar"), plan, sourceDateEpoch),
    },
  };
}

function mountedPartitions({ board }: Project, { identity }: BootPlan): MountedPartition[] {
  return board.partitions.map(({ name, mount, filesystem, grow }, index) => {
    const partuuid = identity.partitions[index]?.partUuid;
    if (partuuid === undefined) throw new Error(`partition ${name} has no identity`);
    return { name, mount, filesystem, grow, partuuid };
  });
}
