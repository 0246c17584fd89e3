import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Command } from "commander";
import { loadProject } from "../config/load.ts";
import { loadBoard } from "../config/boards.ts";
import type { Board } from "../config/model.ts";
import { errnoCode, usageError } from "../core/errors.ts";
import { parseManifest } from "../image/manifest.ts";
import { checkKernel, type OptionVerdict } from "../kernel/check.ts";
import { loadFragments, readKernelConfig } from "../kernel/load.ts";
import { renderKernelTable, summarizeKernel } from "../kernel/table.ts";
import { commandFor, loadOptions } from "./project.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker, type GlobalOptions } from "./session.ts";

interface CheckOptions extends GlobalOptions {
  readonly project?: string;
  readonly board?: string;
}

/** `rtkit kernel …` */
export const kernelCommand: CommandMaker = (onEnd) =>
  new Command("kernel").description("Look at kernels.").addCommand(checkCommand(onEnd));

const checkCommand: CommandMaker = (onEnd) =>
  withGlobalOptions(withProjectOption(new Command("check")))
    .description(
      "Check a kernel's configuration against the board's fragments. Exit status 1 when a fatal option differs.",
    )
    .argument(
      "[file]",
      "a configuration (/boot/config-…, /proc/config.gz) or a kernel with IKCONFIG; without it the kernel of the project's last build, with what its image makes up for at run time",
    )
    .option("--board <board>", "check for this board in place of the project file's")
    .action(async (file: string | undefined, options: CheckOptions) => {
      onEnd(
        await runCommand(options, async () => {
          const rows = file === undefined ? await lastBuild(options) : await checkFile(file, options);
          const fatal = rows.some(({ severity, verdict }) => severity === "fatal" && verdict === "differs");
          return {
            result: { options: rows },
            text: `${renderKernelTable(rows)}\n\n${summarizeKernel(rows)}`,
            status: fatal ? 1 : 0,
          };
        }),
      );
    });

async function checkFile(file: string, options: CheckOptions): Promise<readonly OptionVerdict[]> {
  const config = await readKernelConfig(file);
  const { kernel } = await boardOf(options);
  // A configuration alone says nothing about what an image makes up for at run time.
  return checkKernel(config, await loadFragments(kernel.fragments), { sysctls: {}, cmdline: [], units: [] });
}

/** The board of the command line needs no project. */
async function boardOf(options: CheckOptions): Promise<Board> {
  if (options.board !== undefined) return loadBoard(options.board);
  return (await loadProject(loadOptions(options))).project.board;
}

async function lastBuild(options: CheckOptions): Promise<readonly OptionVerdict[]> {
  const { project } = await loadProject(loadOptions(options));
  const file = join(project.dir, "out", project.board.name, "manifest.json");
  const text = await readFile(file, "utf8").catch((error: unknown) => {
    if (errnoCode(error) !== "ENOENT") throw error;
    throw usageError("RTK_NOT_BUILT", `${project.name} was not built for ${project.board.name} yet`, {
      hint: `run: ${commandFor("build", project)}`,
      cause: error,
    });
  });
  return parseManifest(text).kernel.options;
}
