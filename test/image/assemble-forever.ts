// Assembles an image over and over, never from what is remembered, until it is killed. Its argument names a file with the
// options as JSON, but for the tools.
import { mkdtemp, readFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { assemble, type AssembleOptions } from "../../src/image/assemble.ts";
import { contextIn, realTools } from "./tools-fixtures.ts";

const [job = ""] = process.argv.slice(2);
const options = JSON.parse(await readFile(job, "utf8")) as Omit<AssembleOptions, "tools">;
const tools = await realTools();
for (;;) {
  const cache = await mkdtemp(join(dirname(job), "cache-"));
  process.stdout.write(".");
  await assemble(contextIn(cache), { ...options, tools });
}
