import { lstat, mkdtemp, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { expect, it } from "vitest";
import { runStep } from "../../src/pipeline/cache.ts";
import { describeTree } from "../../src/pipeline/tree.ts";
import { scratchDir } from "../scratch.ts";
import { countingStep, warnings, watchedContext } from "./fixtures.ts";

const scratch = scratchDir("rtkit-damage-");

/** Every regular file below a folder, without the locks, which are empty. */
async function filesBelow(dir: string): Promise<string[]> {
  const files = [];
  for (const path of (await readdir(dir, { recursive: true })).toSorted()) {
    const info = await lstat(join(dir, path));
    if (info.isFile() && info.size > 0) files.push(join(dir, path));
  }
  return files;
}

it("whatever bit of a cache flips, builds get what they would have made", { timeout: 120_000 }, async () => {
  const cacheDir = await mkdtemp(join(scratch, "cache-"));
  const inputs = ["a", "b", "c"];
  const expected = await Promise.all(
    inputs.map(async (input) => describeTree((await runStep(watchedContext(cacheDir), countingStep(input).step)).dir)),
  );
  const flip = fc.record({ file: fc.nat(), byte: fc.nat(), bit: fc.nat(7) });
  await fc.assert(
    fc.asyncProperty(fc.array(flip, { minLength: 1, maxLength: 4 }), async (flips) => {
      const files = await filesBelow(cacheDir);
      const touched = new Set<string>();
      for (const { file, byte, bit } of flips) {
        const path = files[file % files.length] ?? "";
        const content = await readFile(path);
        const at = byte % content.length;
        content[at] = (content[at] ?? 0) ^ (1 << bit);
        await writeFile(path, content);
        touched.add(path);
      }
      const context = watchedContext(cacheDir);
      for (const [index, input] of inputs.entries()) {
        const output = await runStep(context, countingStep(input).step);
        expect(await describeTree(output.dir)).toEqual(expected[index]);
      }
      // Nothing was made again in silence, and stamps are only a matter of speed.
      const remade = context.events.filter((event) => event.type === "step" && event.status === "done").length;
      expect(warnings(context)).toHaveLength(remade);
      const matters = [...touched].some((path) => !path.endsWith("/stamps.json"));
      if (!matters) expect(remade).toBe(0);
    }),
    { numRuns: 40 },
  );
});
