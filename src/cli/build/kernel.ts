import { mkdir, readFile, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Project } from "../../config/model.ts";
import { shownPath } from "../../core/paths.ts";
import { removeTree } from "../../core/remove.ts";
import type { Toolchain } from "../../core/toolchain.ts";
import { compileKernel } from "../../kernel/compile.ts";
import {
  configure,
  requestText,
  requireStuck,
  unstuckOptions,
  type Kept,
  type Unstuck,
} from "../../kernel/configure.ts";
import { describeOverride } from "../../kernel/fragment.ts";
import { loadFragments } from "../../kernel/load.ts";
import { makeWords, type KernelTree } from "../../kernel/make.ts";
import {
  copyFolder,
  inWorkFolder,
  prepareSource,
  readPatches,
  sourceInputs,
  workKey,
  type KernelOrigin,
  type KernelSource,
} from "../../kernel/source.ts";
import { digestOf, type Json } from "../../pipeline/digest.ts";
import type { Context, Step, StepContext, StepOutput } from "../../pipeline/step.ts";
import { download, type Sources } from "../../rootfs/downloads.ts";
import type { BoardLock } from "../../rootfs/lock.ts";
import { sourceDateEpoch } from "../../rootfs/source-date.ts";
import type { OutputFile } from "../../image/assemble.ts";
import { openToolchain, toolchainStep } from "../../rootfs/toolchain.ts";
import { requireHostArchitecture } from "../../rootfs/tools-tree.ts";
import { publish } from "./publish.ts";

/** What a kernel is configured and compiled from, ready. */
export interface KernelJob {
  readonly project: Project;
  readonly source: KernelSource;
  readonly toolchain: Toolchain;
  /** Decides what the compilers make. */
  readonly toolchainInputs: Json;
  readonly sourceDateEpoch: number;
}

/** A configuration, and what was asked for and did not come out. */
export interface KernelConfiguration {
  readonly output: StepOutput;
  /** The text of `.config`. */
  readonly config: string;
  readonly unstuck: readonly Unstuck[];
}

/** How steps are run. */
type Run = (context: Context, step: Step) => Promise<StepOutput>;

/** The rows of the steps below, in the order they run. */
export const KERNEL_ROWS = {
  toolchain: { name: "toolchain", title: "Compilers" },
  config: { name: "kernel-config", title: "Kernel's options" },
  build: { name: "kernel-build", title: "Kernel from source" },
} as const;

/** Raised when the same inputs give other files. */
const REVISION = 2;

/** Gets compilers, and the source where it is a folder of the user's; null where the kernel is a Debian package. */
export async function kernelJob(
  context: Context,
  project: Project,
  { lock, sources, run }: { readonly lock: BoardLock; readonly sources: Sources; readonly run: Run },
): Promise<KernelJob | null> {
  if (lock.kernel === null || project.kernel.source === null) return null;
  const host = requireHostArchitecture();
  const step = toolchainStep(lock.kernel.toolchain[host].packages, sources);
  const toolchain = openToolchain(await run(context, step), host, project.board.architecture);
  const progress = (text: string): void => context.emit({ type: "progress", name: KERNEL_ROWS.config.name, text });
  return {
    project,
    source: {
      origin: await originOf({ ...context, progress }, project, { lock, sources, toolchain }),
      patches: await readPatches(project.kernel.patches),
    },
    toolchain,
    toolchainInputs: step.inputs,
    sourceDateEpoch: sourceDateEpoch(lock),
  };
}

async function originOf(
  step: StepContext,
  { kernel }: Project,
  { lock, sources, toolchain }: { readonly lock: BoardLock; readonly sources: Sources; readonly toolchain: Toolchain },
): Promise<KernelOrigin> {
  if (kernel.source?.kind === "folder") {
    const { path } = kernel.source;
    return { kind: "folder", path, copy: await copyFolder(step, toolchain, path) };
  }
  const [locked] = lock.kernel?.source.packages ?? [];
  if (locked === undefined) throw new Error("the lock has no source of the kernel");
  return {
    kind: "debian",
    sha256: locked.sha256,
    version: locked.version,
    fetch: async (inner) => {
      const [file] = await download(inner, [locked], sources);
      if (file === undefined) throw new Error("nothing was downloaded");
      return file;
    },
  };
}

/** Asks Kconfig for what the board's and the project's fragments want. Fragments that contradict each other are warned of. */
export async function configureKernel(context: Context, job: KernelJob, run: Run): Promise<KernelConfiguration> {
  const { board, kernel } = job.project;
  const { options, overrides } = await loadFragments([...board.kernel.fragments, ...kernel.fragments]);
  for (const override of overrides) {
    context.emit({
      type: "warning",
      message: `kernel: ${describeOverride(override, (file) => shownPath(file, process.cwd()))}`,
    });
  }
  const output = await run(context, {
    ...KERNEL_ROWS.config,
    inputs: {
      ...inputsOf(job),
      request: requestText(options),
      when: options.map(({ when }) => when ?? null),
    },
    run: async (outDir, step) =>
      inKernelTree(step, job, async (tree) => {
        step.progress("asking Kconfig");
        const { config, kept } = await configure(tree, options);
        await writeFile(join(outDir, "config"), config);
        await writeFile(join(outDir, "kept.json"), JSON.stringify(kept));
      }),
  });
  const text = async (name: string): Promise<string> => readFile(join(output.dir, name), "utf8");
  const unstuck = unstuckOptions(options, JSON.parse(await text("kept.json")) as Kept[]);
  return { output, config: await text("config"), unstuck };
}

/**
 * Compiles the kernel. Throws RTK_KERNEL_OPTION when an option that is needed cannot be had, RTK_KERNEL_PATCH,
 * RTK_KERNEL_BUILD.
 */
export async function buildKernel(
  context: Context,
  job: KernelJob,
  { config, output, unstuck }: KernelConfiguration,
  run: Run,
): Promise<StepOutput> {
  requireStuck(unstuck, (file) => shownPath(file, process.cwd()));
  const { origin } = job.source;
  const version = origin.kind === "debian" ? origin.version : null;
  return run(context, {
    ...KERNEL_ROWS.build,
    shared: true,
    inputs: { ...inputsOf(job), revision: REVISION, version, config: output.files["config"]?.sha256 },
    run: async (outDir, step) =>
      inKernelTree(step, job, async (tree) =>
        compileKernel(tree, { outDir, config, version, progress: step.progress }),
      ),
  });
}

/** Configures and compiles the kernel of an image; null where it is a Debian package. */
export async function compiledKernel(
  context: Context,
  project: Project,
  options: { readonly lock: BoardLock; readonly sources: Sources; readonly run: Run },
): Promise<StepOutput | null> {
  const job = await kernelJob(context, project, options);
  if (job === null) return null;
  const configuration = await configureKernel(context, job, options.run);
  return buildKernel(context, job, configuration, options.run);
}

/** What {@link publishKernel} puts into `out/<board>/kernel/`. */
export interface PublishedKernel {
  /** `6.12.118-rtkit` */
  readonly release: string;
  readonly dir: string;
  readonly image: OutputFile;
  readonly config: OutputFile;
  readonly deb: OutputFile;
}

/** Copies a compiled kernel to where the user finds it: image, configuration, device trees and Debian package. */
export async function publishKernel(output: StepOutput, outDir: string): Promise<PublishedKernel> {
  const dir = join(outDir, "kernel");
  const names = Object.keys(output.files).filter((name) => !name.startsWith("modules/"));
  const place = (name: string): string => join(dir, name.replace(/^kernel\//, ""));
  // A package or a device tree of an earlier kernel would pass for one of this.
  await removeTree(dir);
  const published = new Map<string, OutputFile>();
  for (const name of names) published.set(name, await publish(join(output.dir, name), place(name)));
  const named = (name: string | undefined): OutputFile => {
    const file = name === undefined ? undefined : published.get(name);
    if (file === undefined) throw new Error(`${output.dir} has no ${name ?? "Debian package"}`);
    return file;
  };
  return {
    release: (await readFile(join(output.dir, "kernel/release"), "utf8")).trim(),
    dir,
    image: named("kernel/vmlinuz"),
    config: named("kernel/config"),
    deb: named(names.find((name) => name.endsWith(".deb"))),
  };
}

function inputsOf(job: KernelJob): { readonly [key: string]: Json } {
  const { architecture } = job.project.board;
  return {
    source: sourceInputs(job.source),
    toolchain: digestOf(job.toolchainInputs),
    words: makeWords(architecture, job.toolchain.prefix, job.sourceDateEpoch),
  };
}

/** Works in the folder where this source was compiled for this architecture before, if it was. */
export async function inKernelTree<T>(
  step: StepContext,
  job: KernelJob,
  work: (tree: KernelTree) => Promise<T>,
): Promise<T> {
  const { architecture } = job.project.board;
  const source = await prepareSource(step, job.toolchain, job.source);
  const key = digestOf({ source: workKey(job.source), toolchain: digestOf(job.toolchainInputs), architecture });
  const ccache = join(step.cacheDir, "ccache", "kernel");
  await mkdir(ccache, { recursive: true });
  // Used: not to be given up.
  const now = new Date();
  await utimes(ccache, now, now);
  return inWorkFolder(step, `build-${key}`, async (build) =>
    work({
      toolchain: job.toolchain,
      architecture,
      source,
      build,
      ccache,
      sourceDateEpoch: job.sourceDateEpoch,
      signal: step.signal,
    }),
  );
}
