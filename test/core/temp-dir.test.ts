import { stat } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { makeTempDir } from "../../src/core/temp-dir.ts";
import { scratchDir } from "../scratch.ts";

afterEach(() => vi.unstubAllEnvs());

it("is a folder of the user's own, where TMPDIR says", async () => {
  const parent = scratchDir("rtkit-tmp-");
  vi.stubEnv("TMPDIR", parent);
  const dir = await makeTempDir("rtkit-test-");
  expect(dirname(dir)).toBe(parent);
  expect((await stat(dir)).mode & 0o777).toBe(0o700);
});

it("says when TMPDIR is no folder", async () => {
  const missing = join(scratchDir("rtkit-tmp-"), "missing");
  vi.stubEnv("TMPDIR", missing);
  await expect(makeTempDir("rtkit-test-")).rejects.toMatchObject({
    code: "RTK_TMPDIR",
    message: expect.stringContaining(missing) as string,
  });
});
