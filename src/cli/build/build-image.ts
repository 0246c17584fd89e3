import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkImports } from "../../bundle/imports.ts";
import { releaseStep } from "../../bundle/release.ts";
import { scanNode, type ScannedNode } from "../../bundle/scan.ts";
import type { Board, Project } from "../../config/model.ts";
import { RtkitError, RtkitErrors, throwIfAny } from "../../core/errors.ts";
import { rtkitRoot } from "../../core/paths.ts";
import type { Toolbox } from "../../core/toolbox.ts";
import { assemble, type OutputFile } from "../../image/assemble.ts";
import { bootStep, planBoot } from "../../image/boot-step.ts";
import { dataContentSize, dataStep, type ReleaseTar } from "../../image/data-step.ts";
import { emptyStep, rootStep } from "../../image/ext4-step.ts";
import { layOut, type PlacedPartition } from "../../image/layout.ts";
import type { PartitionImage } from "../../image/partition-image.ts";
import type { OptionVerdict } from "../../kernel/check.ts";
import { isCached, runStep } from "../../pipeline/cache.ts";
import { allOrAbort } from "../../pipeline/concurrent.ts";
import { SETTLE_STEP } from "../../pipeline/shared/shared-cache.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import { checkHost } from "../../rootfs/host-check.ts";
import { chooseMirror } from "../../rootfs/mirror.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { loadOverlays, sysusersLines } from "../../rootfs/overlay.ts";
import { packagesStep } from "../../rootfs/packages.ts";
import { contentsStep } from "../../rootfs/packages-content.ts";
import { openTools, toolsStep } from "../../rootfs/tools-tree.ts";
import { formatPlace } from "../../ui/error-text.ts";
import { checkBoardKernel } from "./kernel-verdict.ts";
import { buildManifest } from "./manifest.ts";
import { publish } from "./publish.ts";
import { layerRoot } from "./root.ts";

/** What {@link buildImage} made, all below `out/<board>/`. */
export interface BuildResult {
  readonly board: string;
  readonly image: OutputFile;
  readonly bmap: OutputFile;
  readonly release: OutputFile & { readonly id: string };
  readonly manifest: OutputFile;
  readonly kernelConfig: OutputFile;
  /** What the kernel's configuration says to the fragments. */
  readonly kernel: readonly OptionVerdict[];
  /** True when every step came from the cache. */
  readonly cached: boolean;
}

/** Builds a project's image. Steps that do not need each other's output run at the same time. */
export async function buildImage(
  context: Context,
  project: Project,
  options: { readonly mirror: string | undefined },
): Promise<BuildResult> {
  const { board, nodes } = project;
  const outputs: StepOutput[] = [];
  const run = async (inner: Context, step: Step): Promise<StepOutput> => {
    const output = await runStep(inner, step);
    outputs.push(output);
    return output;
  };
  const planned = [...plannedSteps(project), ...(context.shared === undefined ? [] : [SETTLE_STEP])];
  context.emit({ type: "plan", steps: planned });

  const readLayers = (): Promise<Layer[]> => loadOverlays(overlayFolders(project), { programsDir: programsDir(board) });
  const users = await sysusersLines(await readLayers());
  const mirror = await chooseMirror(options.mirror);
  const makeTools = toolsStep(board.suite, mirror);
  const toolsCached = await isCached(context, makeTools);
  if (!toolsCached) await checkHost(board.architecture, context.cacheDir, context.signal);
  const tools = openTools(await run(context, makeTools));

  const scanned = await scanNodes(context, project, tools);
  const makePackages = packagesStep(project, { mirror, sysusers: users });
  if (toolsCached && !(await isCached(context, makePackages))) {
    await checkHost(board.architecture, context.cacheDir, context.signal);
  }
  const [packages, ...bundles] = await allOrAbort<[StepOutput, ...StepOutput[]]>(context, (inner) => [
    run(inner, makePackages),
    ...scanned.map(({ step }) => run(inner, step)),
  ]);
  const contents = await run(context, contentsStep(board, packages, tools));
  throwIfAny(checkImports(scanned, new Set(await readJson<string[]>(contents, "python-modules.json"))));

  const releaseOutput = await run(context, releaseStep(project, scanned, bundles));
  const release = await releaseTar(releaseOutput);
  const boot = planBoot(project, contents);
  // Read again: somebody may have gone on working on an overlay in the minutes that packages take.
  const layers = await readLayers();
  const kernelOutput = await checkBoardKernel(context, { board, contents, layers, cmdline: boot.cmdline, run });
  const root = await layerRoot(project, { packages, contents, layers, boot });
  const layout = layOut(board, boot.identity, {
    boot: boot.size,
    root: root.size,
    data: dataContentSize(release, nodes.length),
  });

  const outputOf = (inner: Context, partition: PlacedPartition): Promise<StepOutput> => {
    switch (partition.content) {
      case "boot":
        return run(inner, bootStep({ tools, plan: boot, partition }));
      case "root":
        return run(inner, rootStep({ tools, partition, tar: root.tar }));
      case "data":
        return run(inner, dataStep({ tools, partition, release }));
      case "empty":
        return run(inner, emptyStep({ tools, partition }));
    }
  };
  const parts = await allOrAbort<PartitionImage[]>(context, (inner) =>
    layout.partitions.map(async (partition) => ({ partition, output: await outputOf(inner, partition) })),
  );

  const outDir = join(project.dir, "out", board.name);
  const name = `${project.name}-${board.name}`;
  const { image, bmap, cached } = await showAsStep(
    context,
    "image",
    () => assemble(context, { tools, layout, parts, outDir, name }),
    (made) => made.cached,
  );
  const releaseFile = await publish(join(releaseOutput.dir, "release.tar"), join(outDir, "release.tar"));
  const kernelConfig = await publish(join(contents.dir, "kernel", "config"), join(outDir, "kernel.config"));
  for (const { name: file, path } of sourceMaps(bundles)) await publish(path, join(outDir, "maps", file));
  const manifest = await buildManifest({
    project,
    layers,
    contents,
    kernel: kernelOutput.options,
    cmdline: boot.cmdline,
    layout,
    release,
    artifacts: [image, bmap, releaseFile, kernelConfig],
    path: join(outDir, "manifest.json"),
  });
  return {
    board: board.name,
    image,
    bmap,
    release: { ...releaseFile, id: release.id },
    manifest,
    kernelConfig,
    kernel: kernelOutput.options,
    cached: cached && outputs.every((output) => output.cached),
  };
}

/** Overlays of the board, then of the project. */
function overlayFolders({ board, image }: Project): string[] {
  return [...board.overlays.map((name) => join(rtkitRoot, "overlays", name)), ...image.overlays];
}

/** Where `make -C src/device` leaves the programs for a board. */
function programsDir({ architecture }: Board): string {
  return join(rtkitRoot, "build", "device", architecture);
}

function plannedSteps({ board, nodes }: Project): { name: string; title: string }[] {
  const partitions = board.partitions.map(({ content, name }) => {
    switch (content) {
      case "boot":
        return { name: "boot", title: "Boot partition" };
      case "root":
        return { name: "root", title: "Root file system" };
      case "data":
        return { name: "data", title: "Data partition" };
      case "empty":
        return { name: `empty-${name.toLowerCase()}`, title: `Empty partition ${name}` };
    }
  });
  return [
    { name: "tools", title: "Build tools" },
    ...nodes.map(({ name }) => ({ name: `bundle-${name}`, title: `Node ${name}` })),
    { name: "packages", title: `Debian packages (${board.suite}, ${board.architecture})` },
    { name: "contents", title: "Kernel, firmware and file list" },
    { name: "release", title: "Release" },
    { name: "kernel", title: "Kernel configuration" },
    ...partitions,
    { name: "image", title: "Image" },
  ];
}

async function scanNodes(context: Context, project: Project, tools: Toolbox): Promise<ScannedNode[]> {
  const sdk = { python: join(rtkitRoot, "src/sdk/python"), typescript: join(rtkitRoot, "src/sdk/typescript") };
  const options = { tools, signal: context.signal, sdk };
  const results = await Promise.allSettled(project.nodes.map((node) => scanNode(project, node, options)));
  const errors: RtkitError[] = [];
  const scanned: ScannedNode[] = [];
  for (const result of results) {
    if (result.status === "fulfilled") scanned.push(result.value);
    else if (result.reason instanceof RtkitErrors) errors.push(...result.reason.errors);
    else if (result.reason instanceof RtkitError) errors.push(result.reason);
    else throw result.reason;
  }
  throwIfAny(errors);
  const warnings = scanned.flatMap((node) => node.warnings);
  // Two nodes that share a module share what is to be said of it.
  for (const message of new Set(warnings.map(({ where, message: text }) => `${formatPlace(where)}: ${text}`))) {
    context.emit({ type: "warning", message });
  }
  return scanned;
}

async function releaseTar(output: StepOutput): Promise<ReleaseTar> {
  const file = output.files["release.tar"];
  if (file === undefined) throw new Error("the release step made no release.tar");
  const { id } = await readJson<{ id: string }>(output, "release.json");
  return { path: join(output.dir, "release.tar"), id, ...file };
}

function sourceMaps(bundles: readonly StepOutput[]): { name: string; path: string }[] {
  return bundles.flatMap(({ dir, files }) =>
    Object.keys(files)
      .filter((name) => name.endsWith(".map"))
      .map((name) => ({ name, path: join(dir, name) })),
  );
}

async function readJson<T>(output: StepOutput, name: string): Promise<T> {
  return JSON.parse(await readFile(join(output.dir, name), "utf8")) as T;
}
