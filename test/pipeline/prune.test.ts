import { spawn } from "node:child_process";
import { once } from "node:events";
import { mkdir, mkdtemp, readdir, truncate, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { lockFile } from "../../src/core/lock.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { joinCache, stepLock } from "../../src/pipeline/builds.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { pruneCache } from "../../src/pipeline/prune.ts";
import type { Step } from "../../src/pipeline/step.ts";
import { scratchDir } from "../scratch.ts";
import { watchedContext } from "./fixtures.ts";

const scratch = scratchDir("rtkit-prune-");
const MIB = 1024 ** 2;

/** A step whose output takes a mebibyte. */
function mebibyte(name: string): Step {
  return {
    name: "bulk",
    title: "Bulk",
    inputs: { name },
    run: (outDir) => writeFile(join(outDir, name), Buffer.alloc(MIB, name)),
  };
}

/** Makes an entry that was last used some hours ago. */
async function used(cacheDir: string, name: string, hoursAgo: number): Promise<string> {
  const { dir } = await runStep(watchedContext(cacheDir), mebibyte(name));
  const entry = join(dir, "..");
  const time = new Date(Date.now() - hoursAgo * 3_600_000);
  await utimes(entry, time, time);
  return entry;
}

async function names(cacheDir: string): Promise<string[]> {
  const below = await readdir(cacheDir, { recursive: true });
  return below
    .filter((path) => /^bulk\/\w+\/out\/\w+$/.test(path))
    .map((path) => path.slice(-1))
    .toSorted();
}

it("gives up what was not used for longest until it fits", async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  await used(cacheDir, "a", 1);
  await used(cacheDir, "b", 3);
  await used(cacheDir, "c", 2);
  await pruneCache(cacheDir, 4 * MIB);
  expect(await names(cacheDir)).toEqual(["a", "b", "c"]);
  await pruneCache(cacheDir, 2.5 * MIB);
  expect(await names(cacheDir)).toEqual(["a", "c"]);
  await pruneCache(cacheDir, 0);
  expect(await names(cacheDir)).toEqual([]);
});

it("counts downloads and all other shelves, and holes for nothing", async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  await used(cacheDir, "a", 1);
  const [old, sparse] = [join(cacheDir, "downloads", "old"), join(cacheDir, "downloads", "sparse")];
  await mkdir(join(cacheDir, "downloads"));
  await writeFile(old, Buffer.alloc(MIB, 1));
  await writeFile(sparse, "");
  await truncate(sparse, 1024 * MIB);
  for (const path of [old, sparse]) await utimes(path, 1, path === old ? 1 : 2);
  await pruneCache(cacheDir, 1.5 * MIB);
  expect(await readdir(join(cacheDir, "downloads"))).toEqual(["sparse"]);
  expect(await names(cacheDir)).toEqual(["a"]);
});

it("keeps what this build used, though it does not fit", async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  await used(cacheDir, "a", 1);
  await runStep(watchedContext(cacheDir), mebibyte("b"));
  await pruneCache(cacheDir, 0);
  expect(await names(cacheDir)).toEqual(["b"]);
});

it("keeps what another process uses for as long as it lives", async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  const script = `
    import { joinCache } from ${JSON.stringify(join(rtkitRoot, "src/pipeline/builds.ts"))};
    await joinCache(${JSON.stringify(cacheDir)});
    console.log("joined");
    setInterval(() => undefined, 1000);`;
  const other = spawn(process.execPath, ["--input-type=module-typescript", "--eval", script], {
    stdio: ["ignore", "pipe", "inherit"],
  });
  await once(other.stdout, "data");
  // As if it had begun two hours ago.
  const [lock = ""] = await readdir(join(cacheDir, "locks"));
  const begun = new Date(Date.now() - 2 * 3_600_000);
  await utimes(join(cacheDir, "locks", lock), begun, begun);
  await used(cacheDir, "a", 1);
  await used(cacheDir, "b", 3);
  await pruneCache(cacheDir, 0);
  expect(await names(cacheDir)).toEqual(["a"]);
  other.kill("SIGKILL");
  await once(other, "exit");
  await pruneCache(cacheDir, 0);
  expect(await names(cacheDir)).toEqual([]);
});

it("removes what dead builds left and nothing of live ones, when the next begins", async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  const dead = join(cacheDir, "bulk", "tmp-0123456789abcdef-00000000");
  await mkdir(join(dead, "out"), { recursive: true });
  await mkdir(join(cacheDir, "locks"));
  await writeFile(stepLock(cacheDir, "dead"), "");
  const held = await lockFile(stepLock(cacheDir, "live"), { wait: true });
  const id = await joinCache(cacheDir);
  const live = join(cacheDir, "bulk", `tmp-${id}-00000000`);
  await mkdir(live);
  await joinCache(cacheDir);
  expect(await readdir(join(cacheDir, "bulk"))).toEqual([`tmp-${id}-00000000`]);
  expect(await readdir(join(cacheDir, "locks"))).toEqual([`build-${id}`, "step-live"]);
  held?.release();
});
