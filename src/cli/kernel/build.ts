import { join, relative } from "node:path";
import { Command } from "commander";
import { requireWritable } from "../../core/system-error.ts";
import { formatSize } from "../../core/units.ts";
import { inTurn } from "../../pipeline/builds.ts";
import { runStep } from "../../pipeline/cache.ts";
import { withCaches } from "../build/caches.ts";
import { buildKernel, configureKernel, KERNEL_ROWS, publishKernel } from "../build/kernel.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "../session.ts";
import { kernelRows, loadKernelProject, prepareJob, withKernelOptions, type KernelOptions } from "./prepare.ts";
import { describeUnstuck, unstuckRow } from "./unstuck.ts";

/** `rtkit kernel build` */
export const buildCommand: CommandMaker = (onEnd) =>
  withKernelOptions(withGlobalOptions(withProjectOption(new Command("build"))))
    .description(
      "Compile the kernel of the project file's section `kernel`, into out/<board>/kernel/: image, configuration, device trees, Debian package. `rtkit build` does so by itself.",
    )
    .action(async (options: KernelOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const rows = [KERNEL_ROWS.toolchain, KERNEL_ROWS.config, KERNEL_ROWS.build];
          context.emit({ type: "plan", steps: kernelRows(rows) });
          const project = await loadKernelProject(context, options);
          const outDir = join(project.dir, "out", project.board.name);
          // What is compiled goes there minutes from now.
          await requireWritable(outDir);
          return withCaches(context, project, async (inner) => {
            const job = await prepareJob(inner, project, options);
            const configuration = await configureKernel(inner, job, runStep);
            const output = await buildKernel(inner, job, configuration, runStep);
            const kernel = await inTurn(inner, outDir, async () => publishKernel(output, outDir));
            const { unstuck } = configuration;
            return {
              result: {
                board: project.board.name,
                ...kernel,
                options: unstuck.map(unstuckRow),
                cached: output.cached,
              },
              text: [
                ...describeUnstuck(unstuck),
                `kernel   ${kernel.release} (${formatSize(kernel.image.size)})`,
                `files    ${relative(process.cwd(), kernel.dir)}`,
                `package  ${relative(process.cwd(), kernel.deb.path)}`,
              ].join("\n"),
            };
          });
        }),
      );
    });
