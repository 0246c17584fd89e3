import { expect, it, vi } from "vitest";
import { runCommand } from "../../src/cli/session.ts";

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
