import { expect, it, vi } from "vitest";
import { runCli } from "../../src/cli/program.ts";

it("the serial console and NDJSON do not share standard output", async () => {
  const written: string[] = [];
  const write = vi.spyOn(process.stdout, "write").mockImplementation((text) => written.push(`${text}`) > 0);
  const status = await runCli(["run", "--json"]);
  write.mockRestore();
  expect(status).toBe(2);
  expect(JSON.parse(written.join(""))).toMatchObject({ type: "error", code: "RTK_EMULATE_JSON" });
});
