import type { Toolbox } from "../core/toolbox.ts";
import { runStep } from "../pipeline/cache.ts";
import type { PipelineEvent } from "../pipeline/events.ts";
import type { Context } from "../pipeline/step.ts";
import { chooseMirror } from "../rootfs/mirror.ts";
import { openTools, toolsStep } from "../rootfs/tools-tree.ts";

/** The suite whose tools read images, whatever suite an image was built from: formats are older than both. */
const SUITE = "trixie";

/** A step as the plan shows it. */
type Row = (PipelineEvent & { readonly type: "plan" })["steps"][number];

/** The tools that commands besides `build` read images with; made when they are not in the cache. `next` follows in the plan. */
export async function readingTools(context: Context, next: readonly Row[] = []): Promise<Toolbox> {
  const step = toolsStep(SUITE, await chooseMirror(undefined));
  context.emit({ type: "plan", steps: [{ name: step.name, title: step.title }, ...next] });
  return openTools(await runStep(context, step));
}
