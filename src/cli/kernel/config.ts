import { readFile } from "node:fs/promises";
import { join, relative } from "node:path";
import { Command } from "commander";
import { removeTree } from "../../core/remove.ts";
import type { OutputFile } from "../../image/assemble.ts";
import { runStep } from "../../pipeline/cache.ts";
import { configureKernel, KERNEL_ROWS, type KernelConfiguration } from "../build/kernel.ts";
import { publish } from "../build/publish.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "../session.ts";
import { kernelRows, prepareKernel, withKernelOptions, type KernelOptions } from "./prepare.ts";
import { describeUnstuck, unstuckRow } from "./unstuck.ts";

/** `rtkit kernel config` */
export const configCommand: CommandMaker = (onEnd) =>
  withKernelOptions(withGlobalOptions(withProjectOption(new Command("config"))))
    .description(
      "Make the configuration that the fragments of board and project ask for, and say of each option that did not come out so why. Exit status 1 when one is fatal.",
    )
    .action(async (options: KernelOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          context.emit({ type: "plan", steps: kernelRows([KERNEL_ROWS.toolchain, KERNEL_ROWS.config]) });
          const { job, project } = await prepareKernel(context, options);
          const configuration = await configureKernel(context, job, runStep);
          const outDir = join(project.dir, "out", project.board.name, "kernel");
          const config = await publishConfig(configuration, outDir);
          const { unstuck } = configuration;
          const fatal = unstuck.some(({ severity, accepted }) => severity === "fatal" && !accepted);
          return {
            result: { board: project.board.name, config, options: unstuck.map(unstuckRow) },
            text: [...describeUnstuck(unstuck), `configuration  ${relative(process.cwd(), config.path)}`].join("\n"),
            status: fatal ? 1 : 0,
          };
        }),
      );
    });

/** Beside a kernel only when it is that kernel's. */
async function publishConfig({ output, config }: KernelConfiguration, outDir: string): Promise<OutputFile> {
  const path = join(outDir, "config");
  if ((await readFile(path, "utf8").catch(() => undefined)) !== config) await removeTree(outDir);
  return publish(join(output.dir, "config"), path);
}
