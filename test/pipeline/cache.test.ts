import { mkdir, mkdtemp, readdir, readFile, rename, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it } from "vitest";
import { isCached, runStep } from "../../src/pipeline/cache.ts";
import type { Step } from "../../src/pipeline/step.ts";
import { countingStep, textOf, warnings, watchedContext, type Watched } from "./fixtures.ts";

let cacheDir: string;
let context: Watched;
beforeEach(async () => {
  cacheDir = await mkdtemp(join(tmpdir(), "rtkit-cache-"));
  context = watchedContext(cacheDir);
});
afterEach(() => rm(cacheDir, { recursive: true }));

function statuses(): string[] {
  return context.events.flatMap((event) => (event.type === "step" ? [event.status] : []));
}

it("runs once for the same inputs and describes the output", async () => {
  const { step, runs } = countingStep("hello");
  expect(await isCached(context, step)).toBe(false);
  const first = await runStep(context, step);
  const second = await runStep(context, step);
  expect(runs()).toBe(1);
  expect(await isCached(context, step)).toBe(true);
  expect([first.cached, second.cached]).toEqual([false, true]);
  expect(second.digest).toBe(first.digest);
  expect(await readFile(join(second.dir, "link"), "utf8")).toBe(textOf("hello"));
  expect(Object.keys(second.files).toSorted()).toEqual(["sub/text", "tool"]);
  expect(second.files["sub/text"]).toMatchObject({ size: textOf("hello").length });
  expect(statuses()).toEqual(["started", "done", "started", "cached"]);
});

it("has the same digest for the same content made from other inputs, and by another step", async () => {
  const { step } = countingStep("hello");
  const first = await runStep(context, step);
  const second = await runStep(context, { ...step, inputs: { other: true } });
  const third = await runStep(context, { ...step, name: "other" });
  expect([second.cached, third.cached]).toEqual([false, false]);
  expect([second.digest, third.digest]).toEqual([first.digest, first.digest]);
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
  expect(statuses()).toEqual(["started", "failed"]);
});

it("leaves nothing of a step that was interrupted, however it ended", async () => {
  const { step } = countingStep("x");
  const interrupted: Step = {
    ...step,
    run: async (outDir, stepContext) => {
      context.abort.abort(new Error("interrupted"));
      await step.run(outDir, stepContext);
    },
  };
  await expect(runStep(context, interrupted)).rejects.toThrow("interrupted");
  expect(await readdir(join(cacheDir, "text"))).toEqual([]);
});

it("does a step once when several want it at the same time, and the others wait", async () => {
  const { step, runs } = countingStep("race");
  const outputs = await Promise.all(Array.from({ length: 4 }, () => runStep(context, step)));
  expect(runs()).toBe(1);
  expect(outputs.filter(({ cached }) => !cached)).toHaveLength(1);
  expect(await readdir(join(cacheDir, "text"))).toHaveLength(1);
});

it("does it again when the one that was waited for failed", async () => {
  const { step, runs } = countingStep("race");
  const started = Promise.withResolvers<void>();
  const failing: Step = {
    ...step,
    run: async () => {
      started.resolve();
      throw new Error("broken");
    },
  };
  const first = runStep(context, failing);
  const broken = expect(first).rejects.toThrow("broken");
  await started.promise;
  expect(await runStep(context, step)).toMatchObject({ cached: false });
  expect(runs()).toBe(1);
  await broken;
});

it("hashes a cache that was copied, and trusts it", async () => {
  const { step, runs } = countingStep("copied");
  const output = await runStep(context, step);
  await writeFile(join(output.dir, "sub", "text"), textOf("copied"));
  expect(await runStep(context, step)).toMatchObject({ cached: true, digest: output.digest });
  expect(runs()).toBe(1);
  expect(warnings(context)).toEqual([]);
});

for (const [what, path] of [
  ["a file", "out/sub/text"],
  ["the record", "record.json"],
] as const) {
  it(`says that ${what} is damaged, and makes the entry again`, async () => {
    const { step, runs } = countingStep("whole");
    const { dir } = await runStep(context, step);
    await writeFile(join(dir, "..", path), "damaged");
    expect(await runStep(context, step)).toMatchObject({ cached: false });
    expect(await readFile(join(dir, "sub", "text"), "utf8")).toBe(textOf("whole"));
    expect(runs()).toBe(2);
    const name = path.replace("out/", "");
    expect(warnings(context)).toEqual([`cache: text: ${name} is not as it was; it is made again`]);
  });
}

it("notices what was added to an output, and an entry that another cache's key is on", async () => {
  const { step } = countingStep("whole");
  const { dir } = await runStep(context, step);
  await mkdir(join(dir, "sub", "added"));
  expect(await runStep(context, step)).toMatchObject({ cached: false });
  const other = countingStep("other").step;
  const there = await runStep(context, other);
  await rm(join(dir, ".."), { recursive: true });
  await rename(join(there.dir, ".."), join(dir, ".."));
  expect(await runStep(context, step)).toMatchObject({ cached: false });
  expect(warnings(context)).toHaveLength(2);
});
