import { mkdir, mkdtemp, readdir, readFile, rm, utimes, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { pruneCache, runStep } from "../../src/pipeline/cache.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";

let cacheDir: string;
let statuses: string[];
let abort: AbortController;
let context: Context;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "rtkit-cache-"));
  statuses = [];
  abort = new AbortController();
  context = {
    cacheDir,
    signal: abort.signal,
    emit: (event) => void (event.type === "step" && statuses.push(event.status)),
  };
});
afterEach(() => rm(cacheDir, { recursive: true }));

/** A step that writes its input and counts how often it ran. */
function countingStep(input: string): { step: Step; runs: () => number } {
  let runs = 0;
  const step: Step = {
    name: "text",
    title: "Text",
    inputs: { input },
    run: async (outDir) => {
      runs += 1;
      await mkdir(join(outDir, "sub"));
      await writeFile(join(outDir, "sub", "text"), input);
    },
  };
  return { step, runs: () => runs };
}

describe("runStep", () => {
  it("runs once for the same inputs and describes the output", async () => {
    const { step, runs } = countingStep("hello");
    const first = await runStep(context, step);
    const second = await runStep(context, step);
    expect(runs()).toBe(1);
    expect([first.cached, second.cached]).toEqual([false, true]);
    expect(second.digest).toBe(first.digest);
    expect(await readFile(join(second.dir, "sub", "text"), "utf8")).toBe("hello");
    expect(second.files["sub/text"]).toMatchObject({ size: 5 });
    expect(statuses).toEqual(["started", "done", "started", "cached"]);
  });

  it("has the same digest for the same content made from other inputs", async () => {
    const { step } = countingStep("hello");
    const first = await runStep(context, step);
    const second = await runStep(context, { ...step, inputs: { other: true } });
    expect(second.cached).toBe(false);
    expect(second.digest).toBe(first.digest);
  });

  it("leaves nothing of a step that failed", async () => {
    const failing: Step = {
      ...countingStep("x").step,
      run: async (outDir) => {
        await writeFile(join(outDir, "half"), "");
        throw new Error("broken");
      },
    };
    await expect(runStep(context, failing)).rejects.toThrow("broken");
    expect(await readdir(join(cacheDir, "text"))).toEqual([]);
    expect(statuses).toEqual(["started", "failed"]);
  });

  it("leaves nothing of a step that was interrupted, however it ended", async () => {
    const { step } = countingStep("x");
    const interrupted: Step = {
      ...step,
      run: async (outDir, stepContext) => {
        abort.abort(new Error("interrupted"));
        await step.run(outDir, stepContext);
      },
    };
    await expect(runStep(context, interrupted)).rejects.toThrow("interrupted");
    expect(await readdir(join(cacheDir, "text"))).toEqual([]);
  });

  it("keeps one result when two builds race", async () => {
    const { step } = countingStep("race");
    const [first, second] = await Promise.all([runStep(context, step), runStep(context, step)]);
    expect(first.dir).toBe(second.dir);
    expect(await readdir(join(cacheDir, "text"))).toHaveLength(1);
  });
});

describe("pruneCache", () => {
  it("removes old results but the last six, and what dead processes left", async () => {
    const longAgo = new Date(Date.now() - 30 * 24 * 3600 * 1000);
    for (const input of ["a", "b", "c", "d", "e", "f", "g", "h"]) {
      const output = await runStep(context, countingStep(input).step);
      if (input !== "a") await utimes(join(output.dir, ".."), longAgo, longAgo);
    }
    const deadPid = 2 ** 22 + 1; // above Linux's highest possible process id
    await mkdir(join(cacheDir, "text", `tmp-${deadPid}-x`));
    await mkdir(join(cacheDir, "text", `tmp-${process.pid}-x`));
    await pruneCache(cacheDir);
    const left = await readdir(join(cacheDir, "text"));
    expect(left.filter((name) => !name.startsWith("tmp-"))).toHaveLength(6);
    expect(left).toContain(`tmp-${process.pid}-x`);
    expect(left).not.toContain(`tmp-${deadPid}-x`);
  });
});
