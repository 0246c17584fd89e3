import { mkdir, readFile, rename, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Toolbox } from "../core/toolbox.ts";
import { isCached, runStep } from "../pipeline/cache.ts";
import type { PipelineEvent } from "../pipeline/events.ts";
import { showAsStep } from "../pipeline/show.ts";
import type { Context, Step } from "../pipeline/step.ts";
import { openIndex } from "../rootfs/apt.ts";
import type { LockedPackage } from "../rootfs/lock.ts";
import { chooseMirror } from "../rootfs/mirror.ts";
import { followProgress } from "../rootfs/progress.ts";
import { ESSENTIAL } from "../rootfs/resolve.ts";
import { NO_TIME, openTools, requireHostArchitecture, TOOL_PACKAGES, toolsStep } from "../rootfs/tools-tree.ts";

/** The suite whose tools read images, whatever suite an image was built from: formats are older than both. */
const SUITE = "trixie";

/** A step as the plan shows it. */
type Row = (PipelineEvent & { readonly type: "plan" })["steps"][number];

/**
 * The tools that commands besides `build` read images with: those of the last build on this machine, made anew when the
 * cache has lost them. `next` follows in the plan.
 */
export async function readingTools(context: Context, next: readonly Row[] = []): Promise<Toolbox> {
  const remembered = await lastTools(context);
  if (remembered !== undefined && (await isCached(context, remembered))) return open(context, remembered, next);
  const mirror = await chooseMirror(undefined);
  const packages = await showAsStep(context, "lock", async () => resolveTools(context));
  await rememberTools(context, packages);
  return open(context, toolsStep(packages, { mirror, fallback: undefined }), next);
}

/** Notes which tools a build used, for {@link readingTools}. */
export async function rememberTools(context: Context, packages: readonly LockedPackage[]): Promise<void> {
  const path = noteOf(context);
  const text = JSON.stringify(packages);
  if ((await readFile(path, "utf8").catch(() => undefined)) === text) return;
  await mkdir(dirname(path), { recursive: true });
  const temporary = `${path}.${process.pid}.tmp`;
  await writeFile(temporary, text);
  await rename(temporary, path);
}

async function open(context: Context, step: Step, next: readonly Row[]): Promise<Toolbox> {
  context.emit({ type: "plan", steps: [{ name: step.name, title: step.title }, ...next] });
  return openTools(await runStep(context, step), NO_TIME);
}

async function lastTools(context: Context): Promise<Step | undefined> {
  const text = await readFile(noteOf(context), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  return toolsStep(JSON.parse(text) as LockedPackage[], { mirror: await chooseMirror(undefined), fallback: undefined });
}

async function resolveTools(context: Context): Promise<LockedPackage[]> {
  const index = await openIndex({
    suite: SUITE,
    architecture: requireHostArchitecture(),
    mirror: await chooseMirror(undefined),
    cacheDir: context.cacheDir,
    onLine: followProgress((text) => context.emit({ type: "progress", name: "lock", text })),
    signal: context.signal,
  });
  try {
    return await index.resolve([ESSENTIAL, ...TOOL_PACKAGES]);
  } finally {
    await index.close();
  }
}

function noteOf(context: Context): string {
  return join(context.cacheDir, "lists", "tools.json");
}
