import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { checkImports } from "../../bundle/imports.ts";
import type { Project } from "../../config/model.ts";
import { throwIfAny } from "../../core/errors.ts";
import { removeTree } from "../../core/remove.ts";
import { requireWritable } from "../../core/system-error.ts";
import type { Toolbox } from "../../core/toolbox.ts";
import { assemble, type OutputFile } from "../../image/assemble.ts";
import { bootStep, planBoot } from "../../image/boot-step.ts";
import { dataContentSize, dataStep } from "../../image/data-step.ts";
import { emptyStep, rootStep } from "../../image/ext4-step.ts";
import { layOut, type PlacedPartition } from "../../image/layout.ts";
import type { PartitionImage } from "../../image/partition-image.ts";
import type { OptionVerdict } from "../../kernel/check.ts";
import { inTurn } from "../../pipeline/builds.ts";
import { isCached, runStep } from "../../pipeline/cache.ts";
import { allOrAbort } from "../../pipeline/concurrent.ts";
import { SETTLE_STEP } from "../../pipeline/shared/shared-cache.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import { checkHost } from "../../rootfs/host-check.ts";
import { staleDerivations } from "../../rootfs/derived-files.ts";
import type { Layer } from "../../rootfs/layer.ts";
import type { PackageMove } from "../../rootfs/lock.ts";
import { kernelLayer } from "../../rootfs/kernel-layer.ts";
import { nodejsLayer, nodejsStep } from "../../rootfs/nodejs.ts";
import { sysusersLines } from "../../rootfs/overlay.ts";
import { baseStep, installPackages } from "../../rootfs/packages.ts";
import { contentsStep } from "../../rootfs/packages-content.ts";
import { sourceDateEpoch } from "../../rootfs/source-date.ts";
import { openTools, requireHostArchitecture, toolsStep, toolsTree } from "../../rootfs/tools-tree.ts";
import {
  bundleNodes,
  bundleRows,
  makeRelease,
  readPythonModules,
  RELEASE_ROW,
  type BundledNodes,
} from "./bundle-nodes.ts";
import { firstBootSettings } from "./first-boot.ts";
import { compiledKernel, KERNEL_ROWS, publishKernel } from "./kernel.ts";
import { checkBoardKernel } from "./kernel-verdict.ts";
import { rememberTools } from "../tools.ts";
import { LOCK_STEP, lockedPackages, type LockChange } from "./lock.ts";
import { buildManifest } from "./manifest.ts";
import { readOverlays } from "./overlays.ts";
import { publish } from "./publish.ts";
import { layerRoot } from "./root.ts";
import { buildSbom } from "./sbom.ts";

/** What {@link buildImage} made, all below `out/<board>/`. */
export interface BuildResult {
  readonly board: string;
  readonly image: OutputFile;
  readonly bmap: OutputFile;
  readonly release: OutputFile & { readonly id: string };
  readonly manifest: OutputFile;
  readonly sbom: OutputFile;
  readonly kernelConfig: OutputFile;
  /** What the kernel's configuration says to the fragments. */
  readonly kernel: readonly OptionVerdict[];
  readonly lockChange: LockChange;
  /** What the lock moved for this build: nothing when it had what the project asks for. */
  readonly moved: readonly PackageMove[];
  /** True when every step came from the cache. */
  readonly cached: boolean;
}

/** What {@link buildImage} is asked for besides the project. */
export interface BuildOptions {
  /** The value of `--mirror`. */
  readonly mirror: string | undefined;
  /** Refuse to change the lock. */
  readonly locked: boolean;
  /** Run the board's own programs under qemu-user, also where native ones could do it. */
  readonly emulate: boolean;
}

/** What comes of the nodes while Debian's packages are installed. */
interface Bundled extends BundledNodes {
  readonly tools: Toolbox;
}

/**
 * Builds a project's image. Steps that do not need each other's output run at the same time. Throws RTK_FILE_ACCESS before
 * it begins where `out/<board>/` cannot be written.
 */
export async function buildImage(context: Context, project: Project, options: BuildOptions): Promise<BuildResult> {
  const { board, nodes } = project;
  const outDir = join(project.dir, "out", board.name);
  // What is made goes there minutes from now.
  await requireWritable(outDir);
  const outputs: StepOutput[] = [];
  const run = async (inner: Context, step: Step): Promise<StepOutput> => {
    const output = await runStep(inner, step);
    outputs.push(output);
    return output;
  };
  const planned = [...plannedSteps(project), ...(context.shared === undefined ? [] : [SETTLE_STEP])];
  context.emit({ type: "plan", steps: planned });

  const readLayers = (): Promise<Layer[]> => readOverlays(project);
  const users = await sysusersLines(await readLayers());
  const { lock, sources, moved, lockChange } = await lockedPackages(context, project, {
    mirror: options.mirror,
    mode: options.locked ? "locked" : "use",
  });
  const toolPackages = lock.tools[requireHostArchitecture()].packages;
  const makeTools = toolsStep(toolPackages, sources);
  const installation = { lock, sources, sysusers: users, emulate: options.emulate };
  if (!(await isCached(context, makeTools)) || !(await isCached(context, await baseStep(installation, makeTools)))) {
    await checkHost(board.architecture, context.cacheDir, context.signal);
  }
  const { nodejs } = lock;
  const [packages, bundled, node, kernel] = await allOrAbort<
    [StepOutput, Bundled, StepOutput | null, StepOutput | null]
  >(context, (inner) => {
    const toolsOutput = run(inner, makeTools);
    const tree = async (): Promise<string> => toolsTree(await toolsOutput);
    return [
      installPackages(installation, { makeTools, tree, run: async (step) => run(inner, step) }),
      toolsOutput.then(async (output) => {
        const opened = openTools(output, sourceDateEpoch(lock));
        const bundledNodes = await bundleNodes(inner, project, { tools: opened, nodejs: nodejs?.version, run });
        return { tools: opened, ...bundledNodes };
      }),
      nodejs === null ? Promise.resolve(null) : run(inner, nodejsStep(nodejs, board.architecture, project.dir)),
      compiledKernel(inner, project, { lock, sources, run }),
    ];
  });
  const { tools, scanned, bundles } = bundled;
  const contents = await run(context, contentsStep(board, packages, tools, kernel));
  // Read again: somebody may have gone on working on an overlay in the minutes that packages take.
  const layers = await readLayers();
  throwIfAny(checkImports(scanned, await readPythonModules(contents, layers)));
  for (const warning of staleDerivations(layers)) context.emit({ type: "warning", ...warning });

  const release = await makeRelease(context, project, { scanned, bundles }, run);
  const boot = planBoot(project, contents, await firstBootSettings(project, layers, contents));
  const verdict = await checkBoardKernel(context, {
    board,
    fragments: project.kernel.fragments,
    contents,
    layers,
    cmdline: boot.cmdline,
    run,
  });
  const kernelRelease = (await readFile(join(contents.dir, "kernel/release"), "utf8")).trim();
  const root = await layerRoot(context, project, {
    packages,
    contents,
    layers: [
      ...(kernel === null ? [] : [kernelLayer(kernel, kernelRelease, { file: project.file })]),
      ...(node === null || nodejs === null ? [] : [nodejsLayer(node, nodejs, { file: project.file })]),
      ...layers,
    ],
    boot,
    sourceDateEpoch: tools.sourceDateEpoch,
    run,
  });
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

  const name = `${project.name}-${board.name}`;
  // Two builds of one board at the same time would leave files of both.
  const { cached: isKept, ...written } = await inTurn(context, outDir, async () => {
    const { image, bmap, cached } = await showAsStep(
      context,
      "image",
      () => assemble(context, { tools, layout, parts, outDir, name }),
      (made) => made.cached,
    );
    const releaseFile = await publish(release.path, join(outDir, "release.tar"));
    const kernelConfig = await publish(join(contents.dir, "kernel", "config"), join(outDir, "kernel.config"));
    // One that was compiled before would pass for this image's.
    if (kernel === null) await removeTree(join(outDir, "kernel"));
    else await publishKernel(kernel, outDir);
    for (const { name: file, path } of sourceMaps(bundles)) await publish(path, join(outDir, "maps", file));
    const sbom = await buildSbom({
      project,
      sourceDateEpoch: tools.sourceDateEpoch,
      lock,
      nodejs: node,
      layers,
      contents,
      bundles,
      release,
      image,
      path: join(outDir, "sbom.cdx.json"),
    });
    const manifest = await buildManifest({
      project,
      nodejs,
      layers,
      contents,
      kernel: verdict.options,
      cmdline: boot.cmdline,
      layout,
      release,
      artifacts: [image, bmap, releaseFile, kernelConfig, sbom],
      path: join(outDir, "manifest.json"),
    });
    return { image, bmap, release: releaseFile, manifest, sbom, kernelConfig, cached };
  });
  await rememberTools(context, toolPackages);
  return {
    board: board.name,
    ...written,
    release: { ...written.release, id: release.id },
    kernel: verdict.options,
    lockChange,
    moved,
    cached: isKept && lockChange === "none" && outputs.every((output) => output.cached),
  };
}

function plannedSteps({ board, nodes, image, kernel }: Project): { name: string; title: string }[] {
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
    LOCK_STEP,
    ...bundleRows(nodes),
    ...(image.node === null ? [] : [{ name: "nodejs", title: `Node.js ${image.node}` }]),
    { name: "packages", title: `Debian packages (${board.suite}, ${board.architecture})` },
    ...(kernel.source === null ? [] : [KERNEL_ROWS.toolchain, KERNEL_ROWS.config, KERNEL_ROWS.build]),
    ...(image.packages.length > 0 ? [{ name: "project-packages", title: "The project's packages" }] : []),
    { name: "contents", title: "Kernel, firmware and file list" },
    RELEASE_ROW,
    { name: "kernel", title: "Kernel configuration" },
    { name: "layers", title: "Overlays" },
    ...partitions,
    { name: "image", title: "Image" },
  ];
}

function sourceMaps(bundles: readonly StepOutput[]): { name: string; path: string }[] {
  return bundles.flatMap(({ dir, files }) =>
    Object.keys(files)
      .filter((name) => name.endsWith(".map"))
      .map((name) => ({ name, path: join(dir, name) })),
  );
}
