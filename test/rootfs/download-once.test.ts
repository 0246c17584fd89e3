import { createHash } from "node:crypto";
import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import type { StepContext } from "../../src/pipeline/step.ts";
import { downloadOnce, type Content } from "../../src/rootfs/download-once.ts";
import { scratchDir } from "../scratch.ts";

let step: StepContext;
beforeEach(() => {
  step = {
    signal: new AbortController().signal,
    emit: () => undefined,
    cacheDir: scratchDir("cache-"),
    progress: () => undefined,
  };
});

/** Files are asked for by their content here; `sent` is what comes for each. Returns paths, and what was fetched. */
async function download(
  items: readonly string[],
  {
    algorithm = "sha256",
    sent = (item) => item,
  }: Partial<Pick<Content, "algorithm"> & { sent: (item: string) => string }> = {},
): Promise<{ files: string[]; fetched: string[]; kept: boolean[] }> {
  const fetched: string[] = [];
  const kept: boolean[] = [];
  const files = await downloadOnce(step, {
    items,
    contentOf: (item) => ({ algorithm, hash: createHash(algorithm).update(item).digest("hex") }),
    fetch: async (missing, folder, keep) => {
      for (const item of missing) {
        await writeFile(join(folder, item), sent(item));
        fetched.push(item);
        kept.push(await keep(item, join(folder, item)));
      }
    },
  });
  return { files, fetched, kept };
}

const shelf = async (): Promise<string[]> => readdir(join(step.cacheDir, "downloads"));

test.each(["sha256", "sha512"] as const)("what the cache has under its %s is not fetched again", async (algorithm) => {
  await download(["a"], { algorithm });
  const { files, fetched } = await download(["b", "a"], { algorithm });
  expect(fetched).toEqual(["b"]);
  expect(await Promise.all(files.map(async (file) => readFile(file, "utf8")))).toEqual(["b", "a"]);
  expect(await shelf()).toHaveLength(2);
});

test("what has another content is not kept, and nothing of it stays", async () => {
  const { kept } = await download(["a", "b"], { sent: (item) => (item === "a" ? "x" : item) });
  expect(kept).toEqual([false, true]);
  expect(await shelf()).toEqual([createHash("sha256").update("b").digest("hex")]);
});

test("a fetch that fails leaves nothing", async () => {
  const failing = download(["a"], {
    sent: () => {
      throw new Error("no network");
    },
  });
  await expect(failing).rejects.toThrow("no network");
  expect(await shelf()).toEqual([]);
});

test("two that want the same at once fetch it once", async () => {
  const both = await Promise.all([download(["a"]), download(["a"])]);
  expect(both.flatMap(({ fetched }) => fetched)).toEqual(["a"]);
});
