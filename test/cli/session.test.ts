import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { runCommand } from "../../src/cli/session.ts";
import { scratchDir } from "../scratch.ts";

it("ends with an error line for programs when it is interrupted", async () => {
  const lines: string[] = [];
  const stdout = vi.spyOn(process.stdout, "write").mockImplementation((text) => lines.push(String(text)) > 0);
  const stderr = vi.spyOn(process.stderr, "write").mockImplementation(() => true);
  try {
    const status = await runCommand({ json: true }, async ({ signal }) => {
      process.emit("SIGINT");
      signal.throwIfAborted();
      return { result: {}, text: "" };
    });
    expect(status).toBe(130);
  } finally {
    stdout.mockRestore();
    stderr.mockRestore();
  }
  expect(lines.map((line) => JSON.parse(line) as unknown)).toEqual([
    { type: "error", code: "RTK_INTERRUPTED", message: "interrupted before it was done" },
  ]);
});

it.each(["stdout alone", "stdout and stderr"])("ends in order when nobody reads its %s any more", async (what) => {
  const inOrder = join(scratchDir("rtkit-unread-"), "in-order");
  const child = spawn(process.execPath, [join(import.meta.dirname, "talkative.ts"), inOrder]);
  const exit = once(child, "exit");
  let complained = "";
  child.stderr.on("data", (text) => (complained += String(text)));
  await once(child.stdout, "data");
  child.stdout.destroy();
  if (what !== "stdout alone") child.stderr.destroy();
  expect(await exit).toEqual([130, null]);
  expect(existsSync(inOrder)).toBe(true);
  if (what === "stdout alone") expect(complained).toBe("warning: putting things in order\n");
});
