import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { applyPatch, hunkLine, rejects } from "../../src/kernel/patch.ts";
import { contextIn } from "../image/tools-fixtures.ts";
import { scratchDir } from "../scratch.ts";
import { fakeToolchain, Printed } from "./fake-toolchain.ts";

const patch = [
  "From: somebody",
  "--- a/kernel/fork.c",
  "+++ b/kernel/fork.c",
  "@@ -1,2 +1,2 @@",
  "-a",
  "+b",
  "@@ -9,2 +9,2 @@",
  "-c",
  "+d",
  "--- a/mm/new.c\t2026-01-01",
  "+++ b/mm/new.c\t2026-01-01",
  "@@ -1 +1 @@",
].join("\n");

describe("what patch(1) complains of", () => {
  test.each([
    [
      "a hunk",
      ["patching file kernel/fork.c", "Hunk #2 FAILED at 9.", "1 out of 2 hunks FAILED"],
      "kernel/fork.c",
      2,
      7,
    ],
    ["a file that is missing", ["can't find file to patch at input line 4"], "", null, undefined],
    [
      "a change that is there already",
      ["patching file mm/new.c", "Reversed (or previously applied) patch detected!  Skipping patch."],
      "mm/new.c",
      null,
      12,
    ],
    [
      "a file that exists",
      ["The next patch would create the file mm/new.c,", "which already exists!  Skipping patch."],
      "mm/new.c",
      null,
      12,
    ],
  ])("%s", (_, output, file, hunk, line) => {
    const [first] = rejects(output);
    expect(first).toEqual({ file, hunk });
    if (first !== undefined) expect(hunkLine(patch, first)).toBe(line);
  });

  test("nothing, when all fits", () => expect(rejects(["patching file kernel/fork.c"])).toEqual([]));
});

test("a patch that does not fit is told with the place of its hunk", async () => {
  const dir = scratchDir("patch-");
  const path = join(dir, "0001-fork.patch");
  await writeFile(path, patch);
  const toolchain = fakeToolchain(() => {
    throw new Printed("patching file kernel/fork.c\nHunk #2 FAILED at 9.");
  });
  const context = { ...contextIn(dir), progress: (): void => undefined };
  await expect(applyPatch(context, toolchain, path, dir)).rejects.toMatchObject({
    code: "RTK_KERNEL_PATCH",
    exitStatus: 2,
    message: "this patch cannot be applied: hunk 2 of kernel/fork.c does not fit",
    where: { file: path, line: 7 },
  });
});
