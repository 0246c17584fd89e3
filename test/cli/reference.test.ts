import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { makeProgram } from "../../src/cli/program.ts";
import { cliReference } from "../../src/cli/reference.ts";
import { rtkitRoot } from "../../src/core/paths.ts";

it("docs/cli.md is what `npm run generate` writes", async () => {
  const reference = cliReference(await makeProgram(() => undefined));
  expect(await readFile(join(rtkitRoot, "docs", "cli.md"), "utf8")).toBe(reference);
});
