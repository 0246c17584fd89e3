import { chown, mkdir, readdir, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { makeRuntimeDir, removeDeadRuntimeDirs } from "../../src/emulate/runtime-dir.ts";
import { scratchDir } from "../scratch.ts";

let temporary: string;
beforeEach(() => {
  temporary = scratchDir("rtkit-runtime-");
  vi.stubEnv("TMPDIR", temporary);
});
afterEach(() => vi.unstubAllEnvs());

/** Where a folder is made with this `XDG_RUNTIME_DIR`; and what dead machines left there is looked for. */
async function madeIn(xdg: string): Promise<string> {
  const env = { XDG_RUNTIME_DIR: xdg };
  await removeDeadRuntimeDirs(env);
  return dirname(await makeRuntimeDir(env));
}

/** A folder of somebody else. */
async function foreignFolder(): Promise<string> {
  if (process.getuid?.() !== 0) return "/";
  const dir = scratchDir("rtkit-runtime-");
  await chown(dir, 65_534, 65_534);
  return dir;
}

it("machines have their folder in XDG_RUNTIME_DIR, where dead ones' are removed", async () => {
  const xdg = scratchDir("rtkit-runtime-");
  const dead = join(xdg, "rtkit-run-dead");
  await mkdir(dead);
  await writeFile(join(dead, "owner"), "4194305 1\n");
  expect(await madeIn(xdg)).toBe(xdg);
  expect(await readdir(xdg)).not.toContain("rtkit-run-dead");
});

it("an XDG_RUNTIME_DIR of another user is not used, as after su", async () => {
  expect(await madeIn(await foreignFolder())).toBe(temporary);
});

it("an XDG_RUNTIME_DIR that cannot be looked at is not used", async () => {
  const file = join(scratchDir("rtkit-runtime-"), "file");
  await writeFile(file, "");
  expect(await madeIn(file)).toBe(temporary);
  expect(await madeIn(join(file, "below"))).toBe(temporary);
  expect(await madeIn(`${file}.missing`)).toBe(temporary);
});

it("says when TMPDIR is not there", async () => {
  await rm(temporary, { recursive: true });
  await expect(madeIn("")).rejects.toMatchObject({
    code: "RTK_TMPDIR",
    message: expect.stringContaining(temporary) as string,
    hint: "set TMPDIR to a folder that exists and can be written",
  });
});
