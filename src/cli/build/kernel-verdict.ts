import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "../../config/model.ts";
import { checkKernel, requireKernel, type OptionVerdict, type RuntimeSettings } from "../../kernel/check.ts";
import { loadFragments, readKernelConfig } from "../../kernel/load.ts";
import type { Json } from "../../pipeline/digest.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { layerSettings } from "../../rootfs/settings.ts";

/** What {@link checkBoardKernel} looks at. */
export interface BoardKernelFacts {
  readonly board: Board;
  /** The project's own fragments, on top of the board's. */
  readonly fragments: readonly string[];
  readonly contents: StepOutput;
  readonly layers: readonly Layer[];
  readonly cmdline: string;
  readonly run: (context: Context, step: Step) => Promise<StepOutput>;
}

/**
 * Checks the configuration of the kernel that was installed against the board's fragments and what the image makes up
 * for at run time. Throws RTK_KERNEL_FATAL when the board would not be real-time, or not boot.
 */
export async function checkBoardKernel(
  context: Context,
  facts: BoardKernelFacts,
): Promise<{ readonly options: readonly OptionVerdict[] }> {
  const { options: wanted } = await loadFragments([...facts.board.kernel.fragments, ...facts.fragments]);
  const settings: RuntimeSettings = { ...(await layerSettings(facts.layers)), cmdline: facts.cmdline.split(" ") };
  const output = await facts.run(context, {
    name: "kernel",
    title: "Kernel configuration",
    inputs: {
      config: facts.contents.files["kernel/config"]?.sha256,
      wanted: wanted.map((option) => ({ ...option, where: undefined })) as unknown as Json,
      settings: settings as unknown as Json,
    },
    run: async (outDir) => {
      const { options: config } = await readKernelConfig(join(facts.contents.dir, "kernel", "config"));
      const options = checkKernel(config, wanted, settings);
      requireKernel(options);
      await writeFile(join(outDir, "verdict.json"), JSON.stringify(options));
    },
  });
  return { options: JSON.parse(await readFile(join(output.dir, "verdict.json"), "utf8")) as OptionVerdict[] };
}
