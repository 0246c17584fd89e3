import { expect, it } from "vitest";
import { allOrAbort, atMost } from "../../src/pipeline/concurrent.ts";
import type { Context } from "../../src/pipeline/step.ts";

const context: Context = { signal: new AbortController().signal, emit: () => undefined, cacheDir: "" };

it("returns every task's result", async () => {
  const [one, two] = await allOrAbort<[number, string]>(context, () => [Promise.resolve(1), Promise.resolve("two")]);
  expect([one, two]).toEqual([1, "two"]);
});

it("aborts the others when one fails, waits for them, and throws the first failure", async () => {
  let cleaned = false;
  const untilAborted = async (signal: AbortSignal): Promise<void> => {
    await new Promise((resolve) => signal.addEventListener("abort", resolve));
    await Promise.resolve();
    cleaned = true;
    throw signal.reason;
  };
  const failing = allOrAbort(context, ({ signal }) => [untilAborted(signal), Promise.reject(new Error("broken"))]);
  await expect(failing).rejects.toThrow("broken");
  expect(cleaned).toBe(true);
});

it("does the same with many, never more at once than allowed, with the results in their order", async () => {
  let running = 0;
  let most = 0;
  const results = await atMost(3, [5, 1, 4, 2, 3], async (ticks) => {
    running += 1;
    most = Math.max(most, running);
    for (let tick = 0; tick < ticks; tick += 1) await Promise.resolve();
    running -= 1;
    return ticks * 10;
  });
  expect(results).toEqual([50, 10, 40, 20, 30]);
  expect(most).toBe(3);
});

it("begins no other when one of many fails", async () => {
  const begun: number[] = [];
  const failing = atMost(1, [1, 2], async (item) => {
    begun.push(item);
    await Promise.reject(new Error("broken"));
  });
  await expect(failing).rejects.toThrow("broken");
  expect(begun).toEqual([1]);
});
