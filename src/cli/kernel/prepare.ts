import { relative } from "node:path";
import type { Command } from "commander";
import { loadProject } from "../../config/load.ts";
import type { Project } from "../../config/model.ts";
import { usageError } from "../../core/errors.ts";
import { runStep } from "../../pipeline/cache.ts";
import type { Context } from "../../pipeline/step.ts";
import { kernelJob, type KernelJob } from "../build/kernel.ts";
import { LOCK_STEP, lockedPackages } from "../build/lock.ts";
import { loadOptions, warn } from "../project.ts";
import type { GlobalOptions } from "../session.ts";

/** Options of commands that make kernels. */
export interface KernelOptions extends GlobalOptions {
  readonly project?: string;
  readonly board?: string;
  readonly mirror?: string;
}

/** Adds `--board` and `--mirror`. */
export function withKernelOptions(command: Command): Command {
  return command
    .option("--board <board>", "make it for this board in place of the project file's")
    .option("--mirror <uri>", "Debian mirror (default: $RTKIT_DEBIAN_MIRROR, else this host's own, else Debian's)");
}

/** The rows of a plan, after that of the lock. */
export function kernelRows(rows: readonly { readonly name: string; readonly title: string }[]): {
  name: string;
  title: string;
}[] {
  return [LOCK_STEP, ...rows];
}

/** The project, which says what its kernel is compiled from. Throws RTK_KERNEL_SOURCE when it does not. */
export async function loadKernelProject(context: Context, options: KernelOptions): Promise<Project> {
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  if (project.kernel.source !== null) return project;
  throw usageError("RTK_KERNEL_SOURCE", `${project.name} takes ${project.board.name}'s kernel from Debian as it is`, {
    where: { file: relative(process.cwd(), project.file) },
    hint: "to have one compiled, add to the project file: kernel: { source: debian }",
  });
}

/** Gets what the project's kernel is made from and with. */
export async function prepareJob(context: Context, project: Project, options: KernelOptions): Promise<KernelJob> {
  const { lock, sources } = await lockedPackages(context, project, { mirror: options.mirror, mode: "use" });
  const job = await kernelJob(context, project, { lock, sources, run: runStep });
  if (job === null) throw new Error("the lock has no compilers");
  return job;
}

/** Both of these. */
export async function prepareKernel(
  context: Context,
  options: KernelOptions,
): Promise<{ readonly project: Project; readonly job: KernelJob }> {
  const project = await loadKernelProject(context, options);
  return { project, job: await prepareJob(context, project, options) };
}
