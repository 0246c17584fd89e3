import { spawn } from "node:child_process";
import { once } from "node:events";
import { existsSync } from "node:fs";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it, vi } from "vitest";
import { runCommand, type CommandResult, type GlobalOptions } from "../../src/cli/session.ts";
import type { Context } from "../../src/pipeline/step.ts";
import { scratchDir } from "../scratch.ts";

/** A command's exit status and what it wrote. */
async function ran(
  options: GlobalOptions,
  work: (context: Context) => Promise<CommandResult>,
): Promise<{ status: number; stdout: string[]; stderr: string[] }> {
  const [stdout, stderr]: [string[], string[]] = [[], []];
  const spies = [
    vi.spyOn(process.stdout, "write").mockImplementation((text) => stdout.push(String(text)) > 0),
    vi.spyOn(process.stderr, "write").mockImplementation((text) => stderr.push(String(text)) > 0),
  ];
  try {
    return { status: await runCommand(options, work), stdout, stderr };
  } finally {
    for (const spy of spies) spy.mockRestore();
  }
}

it("ends with an error line for programs when it is interrupted", async () => {
  const { status, stdout } = await ran({ json: true }, async ({ signal }) => {
    process.emit("SIGINT");
    signal.throwIfAborted();
    return { result: {}, text: "" };
  });
  expect(status).toBe(130);
  expect(stdout.map((line) => JSON.parse(line) as unknown)).toEqual([
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

/** Work that finds the disk full. */
async function fillDisk(): Promise<CommandResult> {
  // Opened as it is: where there is none, no file is to be made in its place.
  await writeFile("/dev/full", "a byte", { flag: "r+" });
  return { result: {}, text: "" };
}

it("a full disk is the user's to mend, and no bug", async () => {
  const plain = await ran({}, fillDisk);
  expect(plain.status).toBe(1);
  expect(plain.stderr.join("")).toMatch(/^a disk is full \(ENOSPC\) \[RTK_DISK_FULL\]\n {2}→ make room: .*\n$/);
  const { status, stdout } = await ran({ json: true }, fillDisk);
  expect(status).toBe(1);
  expect(JSON.parse(stdout.join(""))).toMatchObject({ type: "error", code: "RTK_DISK_FULL" });
});

it("--verbose shows the call that failed", async () => {
  const { stderr } = await ran({ verbose: true }, fillDisk);
  expect(stderr.join("")).toContain("ENOSPC: no space left on device, write");
});

it("a bug stays one", async () => {
  await expect(
    ran({}, async () => {
      throw new Error("a bug");
    }),
  ).rejects.toThrow("a bug");
});
