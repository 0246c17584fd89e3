import { cp, copyFile, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { onTestFinished } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { writeFile } from "node:fs/promises";

/** The corpus of project files; project/ holds the files they name. */
export const corpus: string = join(rtkitRoot, "test", "fixtures", "config");

/** A folder that is removed after the test. */
export async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rtkit-config-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

/** A project of the corpus's files with one of its project files, or with the text given. Returns its folder. */
export async function projectFolder(source: { readonly fixture: string } | { readonly text: string }): Promise<string> {
  const folder = await scratchFolder();
  await cp(join(corpus, "project"), folder, { recursive: true });
  const file = join(folder, "rtkit.yaml");
  if ("fixture" in source) await copyFile(join(corpus, source.fixture), file);
  else await writeFile(file, source.text);
  return folder;
}
