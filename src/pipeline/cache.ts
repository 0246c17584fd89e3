import { mkdir, rename } from "node:fs/promises";
import { join } from "node:path";
import packageJson from "../../package.json" with { type: "json" };
import { errnoCode } from "../core/errors.ts";
import { lockFile } from "../core/lock.ts";
import { removeTree } from "../core/remove.ts";
import { joinCache, stepLock, temporaryPath } from "./builds.ts";
import { digestOf } from "./digest.ts";
import { readEntry, sealEntry, type Found } from "./entry.ts";
import { showAsStep } from "./show.ts";
import type { Context, Step, StepContext, StepOutput } from "./step.ts";
import { describeTree, type Tree } from "./tree.ts";

/** Where one step's result is. */
interface Place {
  /** The digest of all that decides the result. */
  readonly key: string;
  /** The entry: `out`, the output; `record.json`, what is in it; `stamps.json`, when it was last looked at. */
  readonly entry: string;
}

type Whole = Found & { readonly state: "whole" };

/**
 * Returns a step's output from the cache, or from the server of the team, or runs the step and keeps what it made. An
 * entry appears by rename, so an interrupted build leaves none behind; when two builds need the same step, one waits for
 * the other. An entry that is damaged is made again.
 */
export async function runStep(context: Context, step: Step): Promise<StepOutput> {
  return showAsStep(
    context,
    step.name,
    async () => {
      await joinCache(context.cacheDir);
      const place = placeOf(context, step);
      const found = await readEntry(place.entry, place.key);
      return found.state === "whole" ? found.output : obtain(withProgress(context, step), step, place);
    },
    ({ cached }) => cached,
  );
}

/** Whether {@link runStep} would find the step's output, here or on the team's server, instead of running it. */
export async function isCached(context: Context, step: Step): Promise<boolean> {
  await joinCache(context.cacheDir);
  const { entry, key } = placeOf(context, step);
  if ((await readEntry(entry, key)).state === "whole") return true;
  return step.shared === true && (await context.shared?.has(key)) === true;
}

/** Another rtkit may do the same step in another way, so its version is an input of each. */
function placeOf({ cacheDir }: Context, { name, inputs }: Step): Place {
  const key = digestOf({ rtkit: packageJson.version, step: name, inputs });
  return { key, entry: join(cacheDir, name, key) };
}

function withProgress(context: Context, { name }: Step): StepContext {
  return { ...context, progress: (text) => context.emit({ type: "progress", name, text }) };
}

/** Gets what is not there, as the only one of all builds that does. */
async function obtain(context: StepContext, step: Step, place: Place): Promise<StepOutput> {
  const { cacheDir, signal } = context;
  const path = stepLock(cacheDir, place.key);
  let lock = await lockFile(path, { wait: false });
  if (lock === undefined) {
    context.progress("waiting for another build that is doing the same");
    lock = await lockFile(path, { wait: true, signal });
  }
  try {
    const found = await readEntry(place.entry, place.key);
    if (found.state === "whole") return found.output;
    if (found.state === "damaged") {
      context.emit({ type: "warning", message: `cache: ${step.name}: ${found.reason}; it is made again` });
      const away = await temporaryPath(cacheDir, step.name);
      await rename(place.entry, away);
      await removeTree(away);
    }
    const fetched = step.shared === true ? await fetchOutput(context, step, place) : undefined;
    if (fetched !== undefined) return fetched.output;
    const made = await keep(context, step, place, async (out) => {
      await step.run(out, context);
      signal.throwIfAborted();
      return describeTree(out);
    });
    if (made === undefined) throw new Error(`step ${step.name} made nothing`);
    if (step.shared === true) context.shared?.store(place.key, step.name, { dir: made.output.dir, tree: made.tree });
    return { ...made.output, cached: false };
  } finally {
    lock?.release();
  }
}

async function fetchOutput(context: StepContext, step: Step, place: Place): Promise<Whole | undefined> {
  const { shared } = context;
  if (shared === undefined || !(await shared.has(place.key))) return undefined;
  context.progress("fetching it from the shared cache");
  return keep(context, step, place, async (out) => shared.fetch(place.key, out, context));
}

/** Makes an entry of what `fill` puts into an empty folder; `fill` describes it, or has undefined when it has nothing. */
async function keep(
  { cacheDir }: Context,
  step: Step,
  { key, entry }: Place,
  fill: (out: string) => Promise<Tree | undefined>,
): Promise<Whole | undefined> {
  const temporary = await temporaryPath(cacheDir, step.name);
  const out = join(temporary, "out");
  await mkdir(out, { recursive: true });
  try {
    const tree = await fill(out);
    if (tree === undefined) return undefined;
    await sealEntry(temporary, key, tree);
    await rename(temporary, entry).catch((error: unknown) => {
      // A cache whose shelf is a link into this one has locks of its own.
      if (!["ENOTEMPTY", "EEXIST"].includes(errnoCode(error) ?? "")) throw error;
    });
  } finally {
    await removeTree(temporary);
  }
  const kept = await readEntry(entry, key);
  if (kept.state !== "whole") throw new Error(`cache entry ${entry} vanished`);
  return kept;
}
