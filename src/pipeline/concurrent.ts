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
