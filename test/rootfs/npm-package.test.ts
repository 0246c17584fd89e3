import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { takeFiles } from "../../src/rootfs/npm-package.ts";
import { scratchDir } from "../scratch.ts";
import { tarballOf } from "./npm-registry.ts";
import type { TestEntry } from "./trees.ts";

const WANTED = { "bin/node": "node", LICENSE: "LICENSE" };

let dir = "";
/** An empty folder with another one round it, so that whatever leaves it is seen. */
let out = "";
beforeEach(async () => {
  dir = scratchDir("npm-package-");
  out = join(dir, "out");
  await mkdir(out);
});

async function take(entries: readonly TestEntry[]): Promise<string[]> {
  const tarball = join(dir, "package.tgz");
  await writeFile(tarball, await tarballOf(entries));
  return takeFiles(tarball, WANTED, out);
}

test("files are taken by their path in the package, whatever its folder is called; nothing else is", async () => {
  const missing = await take([
    { name: "anything/README.md", content: "read me" },
    { name: "anything/bin/node", content: "program", mode: 0o755 },
    { name: "anything/LICENSE", content: "licence" },
    { name: "anything/share/LICENSE", content: "another" },
  ]);
  expect(missing).toEqual([]);
  expect((await readdir(out)).toSorted()).toEqual(["LICENSE", "node"]);
  expect(await readFile(join(out, "node"), "utf8")).toBe("program");
  expect(await readFile(join(out, "LICENSE"), "utf8")).toBe("licence");
});

test.each<TestEntry>([
  { name: "package/bin/node", type: "symlink", linkname: "/bin/sh" },
  { name: "package/bin/node", type: "link", linkname: "package/LICENSE" },
  { name: "package/bin/node", type: "character-device" },
  { name: "package/bin/node/", type: "directory" },
])("what stands in a file's place is not taken for it: $type", async (entry) => {
  expect(await take([{ name: "package/LICENSE" }, entry])).toEqual(["bin/node"]);
  expect(await readdir(out)).toEqual(["LICENSE"]);
});

test("no path of the archive leads out of the folder", async () => {
  const missing = await take([
    { name: "package/../bin/node", content: "up" },
    { name: "../../bin/node", content: "up" },
    { name: "/bin/node", content: "root" },
    { name: "package/bin", type: "symlink", linkname: ".." },
    { name: "package/bin/node", content: "through a link" },
    { name: "package/node", type: "symlink", linkname: join(dir, "outside") },
    { name: "package/LICENSE", content: "licence" },
  ]);
  expect(missing).toEqual([]);
  expect((await readdir(out)).toSorted()).toEqual(["LICENSE", "node"]);
  expect((await readdir(dir)).toSorted()).toEqual(["out", "package.tgz"]);
});

test("of a file that is there twice the first one counts", async () => {
  await take([
    { name: "package/bin/node", content: "first" },
    { name: "package/bin/node", content: "second" },
  ]);
  expect(await readFile(join(out, "node"), "utf8")).toBe("first");
});

test.each([
  ["no gzip", async (): Promise<Buffer> => Buffer.from("<html>")],
  [
    "half of one",
    async () => (await tarballOf([{ name: "package/bin/node", content: "x".repeat(9999) }])).subarray(0, 60),
  ],
])("%s is an error", async (_, tarball) => {
  const path = join(dir, "package.tgz");
  await writeFile(path, await tarball());
  await expect(takeFiles(path, WANTED, out)).rejects.toThrow();
});
