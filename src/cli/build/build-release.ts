import { checkImports } from "../../bundle/imports.ts";
import type { ScannedNode } from "../../bundle/scan.ts";
import type { Project } from "../../config/model.ts";
import { RtkitError, RtkitErrors, throwIfAny } from "../../core/errors.ts";
import type { Toolbox } from "../../core/toolbox.ts";
import type { ReleaseTar } from "../../image/data-step.ts";
import { isCached, runStep } from "../../pipeline/cache.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { sysusersLines } from "../../rootfs/overlay.ts";
import { installPackages } from "../../rootfs/packages.ts";
import { contentsStep } from "../../rootfs/packages-content.ts";
import { sourceDateEpoch } from "../../rootfs/source-date.ts";
import { openTools, requireHostArchitecture, toolsStep, toolsTree } from "../../rootfs/tools-tree.ts";
import { bundleNodes, bundleRows, makeRelease, readPythonModules, RELEASE_ROW } from "./bundle-nodes.ts";
import { compiledKernel } from "./kernel.ts";
import { LOCK_STEP, lockedPackages, type BoardPackages } from "./lock.ts";
import { readOverlays } from "./overlays.ts";

/** The steps of {@link buildRelease} as plans show them. */
export function releaseRows({ nodes }: Project): { name: string; title: string }[] {
  return [LOCK_STEP, ...bundleRows(nodes), RELEASE_ROW];
}

/**
 * Builds a project's release and nothing of its image. Python imports are checked against the image when that was built on
 * this machine; a module that the board lacks shows there when the node starts.
 */
export async function buildRelease(context: Context, project: Project): Promise<ReleaseTar> {
  const packages = await lockedPackages(context, project, { mirror: undefined, mode: "use" });
  const makeTools = toolsStep(packages.lock.tools[requireHostArchitecture()].packages, packages.sources);
  const toolsOutput = await runStep(context, makeTools);
  const tools = openTools(toolsOutput, sourceDateEpoch(packages.lock));
  const bundled = await bundleNodes(context, project, { tools, nodejs: packages.lock.nodejs?.version, run: runStep });
  await checkAgainstImage(context, project, { packages, makeTools, toolsOutput, tools, scanned: bundled.scanned });
  return makeRelease(context, project, bundled, runStep);
}

/** Throws the mistakes of {@link checkImports}, when the image's content is known. */
async function checkAgainstImage(
  context: Context,
  project: Project,
  made: {
    readonly packages: BoardPackages;
    readonly makeTools: Step;
    readonly toolsOutput: StepOutput;
    readonly tools: Toolbox;
    readonly scanned: readonly ScannedNode[];
  },
): Promise<void> {
  if (made.scanned.every(({ imports }) => imports.length === 0)) return;
  const { lock, sources } = made.packages;
  // Steps of the image are looked up, not shown and not fetched: they are no part of what is being done.
  const quiet: Context = { signal: context.signal, cacheDir: context.cacheDir, emit: () => undefined };
  const find = async (step: Step): Promise<StepOutput> => {
    if (!(await isCached(quiet, step))) throw new NotBuilt();
    return runStep(quiet, step);
  };
  let contents: StepOutput;
  let overlays: Layer[];
  try {
    overlays = await readOverlays(project);
    const sysusers = await sysusersLines(overlays);
    const installed = await installPackages(
      { lock, sources, sysusers, emulate: false },
      { makeTools: made.makeTools, tree: async () => toolsTree(made.toolsOutput), run: find },
    );
    const kernel = await compiledKernel(quiet, project, { lock, sources, run: async (_, step) => find(step) });
    contents = await find(contentsStep(project.board, installed, made.tools, kernel));
  } catch (error) {
    // A mistake in an overlay is the image's, which is not being built.
    if (error instanceof NotBuilt || error instanceof RtkitError || error instanceof RtkitErrors) return;
    throw error;
  }
  throwIfAny(checkImports(made.scanned, await readPythonModules(contents, overlays)));
}

/** The image was not built here, or from other packages. */
class NotBuilt extends Error {}
