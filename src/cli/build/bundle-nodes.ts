import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { releaseStep } from "../../bundle/release.ts";
import { scanNode, type ScannedNode } from "../../bundle/scan.ts";
import type { NodeConfig, Project } from "../../config/model.ts";
import { RtkitError, RtkitErrors, throwIfAny } from "../../core/errors.ts";
import { rtkitRoot } from "../../core/paths.ts";
import type { Toolbox } from "../../core/toolbox.ts";
import type { ReleaseTar } from "../../image/data-step.ts";
import type { Context, Step, StepOutput } from "../../pipeline/step.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { layerModules, type ImportableModules } from "../../rootfs/python-modules.ts";
import { formatPlace } from "../../ui/error-text.ts";

/** What was read of the nodes, and their bundles in the same order. */
export interface BundledNodes {
  readonly scanned: readonly ScannedNode[];
  readonly bundles: readonly StepOutput[];
}

/** Runs a step, or finds its output. */
export type RunStep = (context: Context, step: Step) => Promise<StepOutput>;

/** The steps of {@link bundleNodes} as plans show them, after the one that makes its tools. */
export function bundleRows(nodes: readonly NodeConfig[]): { name: string; title: string }[] {
  return [
    { name: "tools", title: "Build tools" },
    ...nodes.map(({ name }) => ({ name: `bundle-${name}`, title: `Node ${name}` })),
  ];
}

/** The step of {@link makeRelease} as plans show it. */
export const RELEASE_ROW = { name: "release", title: "Release" } as const;

/** Reads all nodes, tells all their mistakes at once, and bundles them. `nodejs` is the version of the image's own Node.js. */
export async function bundleNodes(
  context: Context,
  project: Project,
  options: { readonly tools: Toolbox; readonly nodejs: string | undefined; readonly run: RunStep },
): Promise<BundledNodes> {
  const scanned = await scanNodes(context, project, options.tools, options.nodejs);
  return { scanned, bundles: await Promise.all(scanned.map(async ({ step }) => options.run(context, step))) };
}

/** Makes the release out of the bundles. */
export async function makeRelease(
  context: Context,
  project: Project,
  { scanned, bundles }: BundledNodes,
  run: RunStep,
): Promise<ReleaseTar> {
  const output = await run(context, releaseStep(project, scanned, bundles));
  const file = output.files["release.tar"];
  if (file === undefined) throw new Error("the release step made no release.tar");
  const { id } = JSON.parse(await readFile(join(output.dir, "release.json"), "utf8")) as { id: string };
  return { path: join(output.dir, "release.tar"), id, ...file };
}

/**
 * The names of all top-level Python modules of an image: of its packages, from the output of the `contents` step, and of
 * its overlays.
 */
export async function readPythonModules(
  contents: StepOutput,
  overlays: readonly Layer[],
): Promise<ReadonlySet<string>> {
  const text = await readFile(join(contents.dir, "python-modules.json"), "utf8");
  const { version, modules } = JSON.parse(text) as ImportableModules;
  return new Set([...modules, ...layerModules(overlays, version)]);
}

async function scanNodes(
  context: Context,
  project: Project,
  tools: Toolbox,
  nodejs: string | undefined,
): Promise<ScannedNode[]> {
  const sdk = { python: join(rtkitRoot, "src/sdk/python"), typescript: join(rtkitRoot, "src/sdk/typescript") };
  const options = { tools, signal: context.signal, sdk, nodejs };
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
