import { describe, expect, test } from "vitest";
import { hunkLine, rejects } from "../../src/kernel/patch.ts";

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
