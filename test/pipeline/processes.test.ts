import { spawn, type ChildProcessByStdio } from "node:child_process";
import { once } from "node:events";
import { mkdtemp, readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import type { Readable } from "node:stream";
import { text } from "node:stream/consumers";
import { setTimeout as sleep } from "node:timers/promises";
import { expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

const scratch = scratchDir("rtkit-processes-");

function start(cache: string, milliseconds: number, names: string[]): ChildProcessByStdio<null, Readable, null> {
  const script = join(rtkitRoot, "test", "fixtures", "pipeline", "builder.ts");
  return spawn(process.execPath, [script, cache, `${milliseconds}`, ...names], {
    stdio: ["ignore", "pipe", "inherit"],
  });
}

/** Builds to the end and returns the outputs' digests. */
async function build(cache: string, milliseconds: number, names: string[]): Promise<string> {
  const child = start(cache, milliseconds, names);
  const [printed, [status]] = await Promise.all([text(child.stdout), once(child, "exit")]);
  expect(status).toBe(0);
  return printed;
}

/** Entries and what is not one, of all steps. */
async function shelves(cache: string): Promise<string[]> {
  const names = (await readdir(cache)).filter((name) => name !== "locks");
  return (await Promise.all(names.map((name) => readdir(join(cache, name))))).flat();
}

it("a build that was killed twenty times ends as one that was not", { timeout: 180_000 }, async () => {
  const names = ["one", "two", "three", "four"];
  const whole = await build(join(await mkdtemp(join(scratch, "whole-")), "cache"), 0, names);
  const cache = join(await mkdtemp(join(scratch, "killed-")), "cache");
  for (let time = 0; time < 20; time += 1) {
    const child = start(cache, 300, names);
    await once(child.stdout, "data");
    // From before anything is there to far into a step.
    await sleep((time * 37) % 400);
    child.kill("SIGKILL");
    await once(child, "exit");
  }
  expect(await build(cache, 0, names)).toBe(whole);
  expect(await shelves(cache)).toHaveLength(names.length);
  expect((await shelves(cache)).filter((name) => name.startsWith("tmp-"))).toEqual([]);
  expect(await readdir(join(cache, "locks"))).toEqual([]);
});

it("builds of different projects at once share what they have in common, which is done once", async () => {
  const cache = join(await mkdtemp(join(scratch, "shared-")), "cache");
  const [one, two, three] = await Promise.all([
    build(cache, 400, ["common", "one"]),
    build(cache, 400, ["common", "two"]),
    build(cache, 400, ["common", "one"]),
  ]);
  expect(three).toBe(one);
  expect(two).not.toBe(one);
  const runs = (await readFile(join(cache, "..", "runs"), "utf8")).trim().split("\n").toSorted();
  expect(runs).toEqual(["common", "one", "two"]);
});

it("one that waits goes on by itself when the other is killed", async () => {
  const cache = join(await mkdtemp(join(scratch, "heir-")), "cache");
  const first = start(cache, 600_000, ["step"]);
  // Its step has begun.
  for (;;) {
    const runs = await readFile(join(cache, "..", "runs"), "utf8").catch(() => "");
    if (runs !== "") break;
    await sleep(20);
  }
  const second = build(cache, 0, ["step"]);
  await sleep(300);
  first.kill("SIGKILL");
  expect(await second).toMatch(/^begun\n\["[0-9a-f]{64}"\]\n$/);
  expect((await shelves(cache)).filter((name) => name.startsWith("tmp-"))).toEqual([]);
});
