import type { StepStatus } from "./events.ts";
import type { Context } from "./step.ts";

/**
 * Shows work that is not cached as a folder (the last step of a build, a boot) like any step of the pipeline. `isCached`
 * tells from the result whether anything had to be done.
 */
export async function showAsStep<T>(
  context: Context,
  name: string,
  work: () => Promise<T>,
  isCached: (result: T) => boolean = () => false,
): Promise<T> {
  const started = performance.now();
  const tell = (status: StepStatus): void =>
    context.emit({ type: "step", name, status, ms: Math.round(performance.now() - started) });
  tell("started");
  try {
    const result = await work();
    tell(isCached(result) ? "cached" : "done");
    return result;
  } catch (error) {
    tell("failed");
    throw error;
  }
}
