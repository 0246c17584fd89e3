import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Project } from "../../config/model.ts";
import type { BootPlan } from "../../image/boot-step.ts";
import type { ContentSize } from "../../image/content-size.ts";
import type { TarSource } from "../../image/ext4-step.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import { generatedLayer, type MountedPartition } from "../../rootfs/generated-layer.ts";
import { hashedLayers, layerInputs, type Layer } from "../../rootfs/layer.ts";
import { PLAN_REVISION, planLayers, type LayerPlan } from "../../rootfs/layer-plan.ts";
import { layeredTar } from "../../rootfs/layer-tar.ts";
import type { TreeIndex } from "../../rootfs/tree-index.ts";

/** The root file system before it has a partition: how large it is, and its content as a tar. */
export interface LayeredRoot {
  readonly size: ContentSize;
  readonly tar: TarSource;
}

/**
 * Puts the overlays and the generated files over the packages. That they fit is found out once, and remembered: the list of
 * a whole Debian takes longer to read than all else that a build without changes does. Throws the mistakes of planLayers.
 */
export async function layerRoot(
  context: Context,
  project: Project,
  options: {
    readonly packages: StepOutput;
    readonly contents: StepOutput;
    readonly layers: readonly Layer[];
    readonly boot: Pick<BootPlan, "identity" | "cmdline">;
    /** Seconds since 1970. */
    readonly sourceDateEpoch: number;
    readonly run: (context: Context, step: Step) => Promise<StepOutput>;
  },
): Promise<LayeredRoot> {
  const { packages, contents, boot, sourceDateEpoch } = options;
  const generated = generatedLayer(project, {
    partitions: mountedPartitions(project, boot),
    cmdline: boot.cmdline.split(" ").filter((word) => !/^(root|console)=/.test(word)),
  });
  const layers = await hashedLayers([...options.layers, generated]);
  const inputs = await layerInputs(layers);
  const plan = async (): Promise<LayerPlan> =>
    planLayers(JSON.parse(await readFile(join(contents.dir, "index.json"), "utf8")) as TreeIndex, layers);
  const output = await options.run(context, {
    name: "layers",
    title: "Overlays",
    inputs: { revision: PLAN_REVISION, tree: contents.files["index.json"]?.sha256, layers: inputs },
    run: async (outDir) => {
      const { bytes, entries } = await plan();
      await writeFile(join(outDir, "size.json"), JSON.stringify({ bytes, entries }));
    },
  });
  return {
    size: JSON.parse(await readFile(join(output.dir, "size.json"), "utf8")) as ContentSize,
    tar: {
      digest: { revision: PLAN_REVISION, packages: packages.digest, layers: inputs, sourceDateEpoch },
      open: async () => layeredTar(join(packages.dir, "packages.tar"), await plan(), sourceDateEpoch),
    },
  };
}

function mountedPartitions({ board }: Project, { identity }: Pick<BootPlan, "identity">): MountedPartition[] {
  return board.partitions.map(({ name, mount, filesystem, grow }, index) => {
    const partuuid = identity.partitions[index]?.partUuid;
    if (partuuid === undefined) throw new Error(`partition ${name} has no identity`);
    return { name, mount, filesystem, grow, partuuid };
  });
}
