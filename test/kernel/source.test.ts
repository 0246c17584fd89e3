import { mkdir, mkdtemp, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { copyFolder, type FolderCopy } from "../../src/kernel/source.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";
import { fakeToolchain } from "./fake-toolchain.ts";

const scratch = scratchDir("kernel-source-");

let dir: string;
let linux: string;
beforeEach(async () => {
  dir = await mkdtemp(join(scratch, "case-"));
  linux = join(dir, "linux");
  await mkdir(linux);
  await writeFile(join(linux, "robot.c"), "int robot;\n");
});

/** Copies the folder with the real rsync(1); `after` is called when that is done. */
async function copy(cache = "cache", after = (): void => undefined): Promise<FolderCopy> {
  const step = { ...watchedContext(join(dir, cache)), progress: () => undefined };
  const toolchain = fakeToolchain(async ({ command: [program = "", ...words], at }) => {
    const here = words.map((word) =>
      word.replace(/^\/(origin|build)\//, (_, place: "origin" | "build") => `${at(`/${place}`)}/`),
    );
    const { stdout } = await exec(program, here);
    after();
    return stdout;
  });
  return copyFolder(step, toolchain, linux);
}

test("a copy is as its folder is, and is known by what is in it", async () => {
  const first = await copy();
  expect(await readFile(join(first.dir, "robot.c"), "utf8")).toBe("int robot;\n");
  expect(await copy()).toEqual(first);
  expect((await copy("another cache")).digest).toBe(first.digest);
  await writeFile(join(linux, "robot.c"), "int wheel;\n");
  const second = await copy();
  expect(second.dir).toBe(first.dir);
  expect(second.digest).not.toBe(first.digest);
  expect((await copy("another cache")).digest).toBe(second.digest);
});

test("what changed is newer than what was compiled, however old the file says that it is", async () => {
  const { dir: work } = await copy();
  await utimes(join(work, "robot.c"), 1000, 1000);
  await copy();
  expect((await stat(join(work, "robot.c"))).mtimeMs).toBe(1_000_000);
  const before = Date.now();
  await writeFile(join(linux, "robot.c"), "int wheel;\n");
  await utimes(join(linux, "robot.c"), 1000, 1000);
  await copy();
  // A file system's clock may be a tick behind.
  expect((await stat(join(work, "robot.c"))).mtimeMs).toBeGreaterThan(before - 1000);
});

test("one that was interrupted after files were copied is looked at anew", async () => {
  const first = await copy();
  await writeFile(join(linux, "robot.c"), "int wheel;\n");
  const interrupted = copy("cache", () => {
    throw new Error("Ctrl-C");
  });
  await expect(interrupted).rejects.toThrow("Ctrl-C");
  const second = await copy();
  expect(second.digest).toMatch(/^[0-9a-f]{64}$/);
  expect(second.digest).not.toBe(first.digest);
});

test("pipes are no source, nor is what a build in the folder left", async () => {
  await exec("mkfifo", [join(linux, "pipe")]);
  for (const name of ["robot.o", ".config", "vmlinux"]) await writeFile(join(linux, name), "");
  const { dir: work, digest } = await copy();
  expect(await readdir(work)).toEqual(["robot.c"]);
  expect(await copy()).toMatchObject({ digest });
});
