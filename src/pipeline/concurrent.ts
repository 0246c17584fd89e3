import type { Context } from "./step.ts";

/**
 * Runs tasks at the same time. When one fails the others are aborted and waited for, so that nothing goes on behind
 * the error, and the first failure is thrown.
 */
export async function allOrAbort<T extends readonly unknown[]>(
  context: Context,
  start: (context: Context) => { readonly [K in keyof T]: Promise<T[K]> },
): Promise<T> {
  const stop = new AbortController();
  const tasks = start({ ...context, signal: AbortSignal.any([context.signal, stop.signal]) });
  try {
    return (await Promise.all(tasks)) as unknown as T;
  } catch (error) {
    stop.abort(error);
    await Promise.allSettled(tasks);
    throw error;
  }
}

/**
 * Does the same with each item, at most `limit` at once; the results are in the order of the items. When one fails no other
 * is begun, those that run are waited for, and the first failure is thrown.
 */
export async function atMost<T, R>(limit: number, items: readonly T[], work: (item: T) => Promise<R>): Promise<R[]> {
  const results: R[] = [];
  const waiting = [...items.entries()].values();
  let failed = false;
  const worker = async (): Promise<void> => {
    for (const [index, item] of waiting) {
      if (failed) return;
      try {
        results[index] = await work(item);
      } catch (error) {
        failed = true;
        throw error;
      }
    }
  };
  const workers = await Promise.allSettled(Array.from({ length: Math.min(limit, items.length) }, worker));
  for (const ended of workers) if (ended.status === "rejected") throw ended.reason;
  return results;
}
