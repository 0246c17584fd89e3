import { readFile } from "node:fs/promises";
import { RtkitError, usageError } from "../core/errors.ts";
import type { Toolchain } from "../core/toolchain.ts";
import type { StepContext } from "../pipeline/step.ts";

/** A part of a patch that did not fit. */
export interface Reject {
  /** The file to be patched, relative to the source. */
  readonly file: string;
  /** Counted from 1 in that file's part of the patch; null when the whole file is wrong (missing, or patched already). */
  readonly hunk: number | null;
}

/**
 * Applies a patch to a source tree, exactly: no line of context may differ. Throws RTK_KERNEL_PATCH, which names the patch,
 * the file and the hunk.
 */
export async function applyPatch(step: StepContext, toolchain: Toolchain, path: string, dir: string): Promise<void> {
  const text = await readFile(path, "utf8");
  const options = ["--strip=1", "--forward", "--batch", "--fuzz=0", "--no-backup-if-mismatch", "--reject-file=-"];
  const lines: string[] = [];
  const onLine = (line: string): void => void lines.push(line);
  try {
    await toolchain.run(["patch", ...options, "--directory=/build"], {
      mounts: [{ from: dir, to: "/build" }],
      input: text,
      onStdoutLine: onLine,
      onStderrLine: onLine,
      signal: step.signal,
    });
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    const [reject] = rejects(lines);
    const line = reject === undefined ? undefined : hunkLine(text, reject);
    const what =
      reject === undefined
        ? (lines.findLast((printed) => printed.trim() !== "") ?? "patch(1) does not say why")
        : reject.hunk === null
          ? `${reject.file} is missing, or has the change already`
          : `hunk ${reject.hunk} of ${reject.file} does not fit`;
    throw usageError("RTK_KERNEL_PATCH", `this patch cannot be applied: ${what}`, {
      where: { file: path, ...(line === undefined ? {} : { line, column: 1 }) },
      hint: "make it anew against the source that is patched (its version is in rtkit.lock), on top of the patches before it",
      cause: error,
    });
  }
}

/** What patch(1) complains of, in order. */
export function rejects(output: readonly string[]): Reject[] {
  const found: Reject[] = [];
  let file = "";
  for (const line of output) {
    file = /^(?:patching|checking) file '?(.*?)'?(?: \(.*\))?$/.exec(line)?.[1] ?? file;
    const hunk = /^Hunk #(\d+) FAILED/.exec(line)?.[1];
    if (hunk !== undefined) found.push({ file, hunk: Number(hunk) });
    const whole = /^The next patch would (?:create|delete|empty out) the file '?(.*?)'?,?$/.exec(line)?.[1];
    if (whole !== undefined) found.push({ file: whole, hunk: null });
    if (
      /^Reversed \(or previously applied\) patch detected|^can't find file to patch|^\d+ out of \d+ hunks? ignored/.test(
        line,
      )
    ) {
      if (!found.some((one) => one.file === file)) found.push({ file, hunk: null });
    }
  }
  return found;
}

/** Where in a patch's text a hunk begins, counted from 1. */
export function hunkLine(text: string, { file, hunk }: Reject): number | undefined {
  let current = "";
  let count = 0;
  for (const [index, line] of text.split("\n").entries()) {
    const named = /^(?:\+\+\+|---) [^/\s]+\/([^\t]+?)(?:\t.*)?\s*$/.exec(line)?.[1];
    if (named !== undefined) [current, count] = [named, 0];
    if (!line.startsWith("@@ ")) continue;
    count += 1;
    if (current === file && (hunk === null || count === hunk)) return index + 1;
  }
  return undefined;
}
