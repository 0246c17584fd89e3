import { expect, it } from "vitest";
import { allOrAbort } from "../../src/pipeline/concurrent.ts";
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
