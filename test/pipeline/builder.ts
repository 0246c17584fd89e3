// A build of some steps, for tests that kill it or run several at once: node builder.ts CACHE MILLISECONDS NAME…
// Each step takes that time and appends a line to CACHE/../runs. Prints a line when it begins and one when it is done.
import { appendFile, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { runStep } from "../../src/pipeline/cache.ts";
import { pruneCache } from "../../src/pipeline/prune.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";

const [cacheDir = "", milliseconds = "0", ...names] = process.argv.slice(2);
const context: Context = { cacheDir, signal: new AbortController().signal, emit: () => undefined };

function slowStep(name: string): Step {
  return {
    name,
    title: name,
    inputs: { name },
    run: async (outDir) => {
      await appendFile(join(cacheDir, "..", "runs"), `${name}\n`);
      await mkdir(join(outDir, "folder"));
      for (let part = 0; part < 8; part += 1) {
        await writeFile(join(outDir, "folder", `${part}`), `${name} ${part}\n`.repeat(2000));
        await sleep(Number(milliseconds) / 8);
      }
    },
  };
}

process.stdout.write("begun\n");
const outputs = [];
for (const name of names) outputs.push((await runStep(context, slowStep(name))).digest);
await pruneCache(cacheDir);
process.stdout.write(`${JSON.stringify(outputs)}\n`);
