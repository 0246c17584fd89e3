import { existsSync } from "node:fs";
import { Command } from "commander";
import { loadBoard } from "../../config/boards.ts";
import { loadProject } from "../../config/load.ts";
import type { Board, Project } from "../../config/model.ts";
import { RtkitError } from "../../core/errors.ts";
import { isDiskImage } from "../../image/disk-image.ts";
import { imageKernelFacts } from "../../image/inspect-kernel.ts";
import { checkKernel, isFatal, type OptionVerdict } from "../../kernel/check.ts";
import type { WantedOption } from "../../kernel/fragment.ts";
import { decodeKernelConfig, loadFragments, readKernelConfig } from "../../kernel/load.ts";
import { renderKernelTable, summarizeKernel } from "../../kernel/table.ts";
import type { Context } from "../../pipeline/step.ts";
import { addressesFor, oneBoard, sshSettings, withBoardOptions, type BoardOptions } from "../deploy/boards.ts";
import { builtImage, loadOptions } from "../project.ts";
import { runCommand, withGlobalOptions, withProjectOption, type CommandMaker } from "../session.ts";
import { readingTools } from "../tools.ts";

interface CheckOptions extends BoardOptions {
  readonly board?: string;
}

/** `rtkit kernel check` */
export const checkCommand: CommandMaker = (onEnd) =>
  withBoardOptions(withGlobalOptions(withProjectOption(new Command("check"))))
    .description(
      "Check a kernel against the fragments of board and project, and whether image or system make up for what differs. Exit status 1 when a fatal option differs, or cannot be told.",
    )
    .argument(
      "[subject]",
      "a configuration (/boot/config-…, /proc/config.gz, a defconfig), a kernel with IKCONFIG, an image, or a target of rtkit.yaml; without it the image of the project's last build",
    )
    .option("--board <board>", "check for this board in place of the project file's")
    .action(async (subject: string | undefined, options: CheckOptions) => {
      onEnd(
        await runCommand(options, async (context) => {
          const rows = await check(context, subject, options);
          return {
            result: { options: rows },
            text: `${renderKernelTable(rows, options.verbose === true)}\n\n${summarizeKernel(rows)}`,
            status: rows.some(isFatal) ? 1 : 0,
          };
        }),
      );
    });

async function check(
  context: Context,
  subject: string | undefined,
  options: CheckOptions,
): Promise<readonly OptionVerdict[]> {
  const wanted = await wantedOf(options);
  if (options.host !== undefined || (subject !== undefined && !isPath(subject))) {
    return checkTarget(context, subject, wanted, options);
  }
  const file = subject ?? (await lastBuild(options));
  if (!existsSync(file) || !(await isDiskImage(file))) {
    // A configuration alone says nothing about what an image makes up for at run time.
    const { options: config, named } = await readKernelConfig(file);
    return checkKernel(config, wanted, { sysctls: {}, cmdline: [], units: [] }, named);
  }
  const { config, ...settings } = await imageKernelFacts(await readingTools(context), file);
  return checkKernel(decodeKernelConfig(Buffer.from(config), file).options, wanted, settings);
}

async function wantedOf(options: CheckOptions): Promise<readonly WantedOption[]> {
  const { board, kernel } = await projectOrBoard(options);
  return (await loadFragments([...board.kernel.fragments, ...kernel.fragments])).options;
}

/** The board of the command line needs no project; where there is one, its fragments count. */
async function projectOrBoard(
  options: CheckOptions,
): Promise<{ readonly board: Board; readonly kernel: Pick<Project["kernel"], "fragments"> }> {
  try {
    return (await loadProject(loadOptions(options))).project;
  } catch (error) {
    const isAway = error instanceof RtkitError && error.code === "RTK_CONFIG_NOT_FOUND";
    if (!isAway || options.board === undefined || options.project !== undefined) throw error;
    return { board: await loadBoard(options.board), kernel: { fragments: [] } };
  }
}

async function lastBuild(options: CheckOptions): Promise<string> {
  const { project } = await loadProject(loadOptions(options));
  return builtImage(project, "name what is to be checked");
}

async function checkTarget(
  context: Context,
  target: string | undefined,
  wanted: readonly WantedOption[],
  options: CheckOptions,
): Promise<readonly OptionVerdict[]> {
  const { askKernel } = await import("../../deploy/kernel-facts.ts");
  const { withConnections } = await import("../../deploy/connect-all.ts");
  const address = oneBoard(await addressesFor(context, target === undefined ? [] : [target], options));
  const limits = { settings: sshSettings(options), concurrency: 1, signal: context.signal };
  const compensations = wanted.flatMap((option) => option.compensations.flat());
  const facts = await withConnections([address], limits, async ([board]) => {
    if (board === undefined) throw new Error("a board was asked for and is not there");
    return board.visit(async (connection) =>
      askKernel(connection, {
        sysctls: compensations.flatMap((one) => (one.kind === "sysctl" ? [one.name] : [])),
        units: compensations.flatMap((one) => (one.kind === "overlay-unit" ? [one.unit] : [])),
      }),
    );
  });
  const { config, ...settings } = facts;
  return checkKernel(decodeKernelConfig(Buffer.from(config), address.host).options, wanted, settings);
}

/** Whether a file is meant, not a target, whose name has neither of these: a mistyped path is told as one. */
function isPath(subject: string): boolean {
  return existsSync(subject) || /[/.]/.test(subject);
}
