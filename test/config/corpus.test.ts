import { readdir } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadBoard } from "../../src/config/boards.ts";
import { loadProject } from "../../src/config/load.ts";
import { RtkitError } from "../../src/core/errors.ts";
import { formatError, userErrors } from "../../src/ui/error-text.ts";
import { corpus, projectFolder } from "./fixtures.ts";

async function told(work: () => Promise<string>): Promise<string> {
  try {
    return await work();
  } catch (error) {
    const mistakes = userErrors(error);
    if (mistakes.length === 0) throw error;
    expect(mistakes.every((mistake) => mistake.exitStatus === 2)).toBe(true);
    return `${mistakes.map(formatError).join("\n")}\n`;
  }
}

describe("a project file of the corpus says exactly what its .expected says", async () => {
  const files = (await readdir(corpus)).filter((file) => file.endsWith(".yaml"));
  it.each(files)("%s", async (fixture) => {
    const folder = await projectFolder({ fixture });
    const text = await told(async () => {
      const { warnings } = await loadProject({ cwd: folder, env: { HOME: join(folder, "home") } });
      return warnings
        .map(
          ({ code, message, hint, where }) =>
            `warning: ${formatError(new RtkitError(code, message, { hint, where }))}\n`,
        )
        .join("");
    });
    expect(text).not.toContain("never-to-be-printed");
    expect(text).not.toContain(folder);
    await expect(text).toMatchFileSnapshot(join(corpus, fixture.replace(/yaml$/, "expected")));
  });
});

describe("a board file of the corpus says exactly what its .expected says", async () => {
  const boards = join(corpus, "boards");
  const files = (await readdir(boards)).filter((file) => file.endsWith(".yaml"));
  it.each(files)("%s", async (fixture) => {
    const text = await told(async () => `${(await loadBoard(`./${fixture}`, { dir: boards, cwd: boards })).name}\n`);
    await expect(text).toMatchFileSnapshot(join(boards, fixture.replace(/yaml$/, "expected")));
  });
});
