import { lstat, mkdtemp, mkdir, readdir, symlink, truncate, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Readable } from "node:stream";
import { buffer } from "node:stream/consumers";
import * as fc from "fast-check";
import { pack, type Header } from "tar-stream";
import { expect, it } from "vitest";
import { packTree, unpackTree } from "../../../src/pipeline/shared/archive.ts";
import { describeTree } from "../../../src/pipeline/tree.ts";
import { scratchDir } from "../../scratch.ts";

const scratch = scratchDir("rtkit-archive-");
const newFolder = (): Promise<string> => mkdtemp(join(scratch, "f-"));

const name = fc
  .string({ minLength: 1, maxLength: 150, unit: "grapheme" })
  .filter(
    (text) =>
      !/[/\0]/.test(text) && ![".", ".."].includes(text) && Buffer.byteLength(text) < 256 && text.isWellFormed(),
  );
const member = fc.oneof(
  fc.record({ kind: fc.constant("folder" as const) }),
  fc.record({ kind: fc.constant("link" as const), target: name }),
  fc.record({
    kind: fc.constant("file" as const),
    content: fc.uint8Array(),
    zeros: fc.nat(200_000),
    mode: fc.constantFrom(0o600, 0o711),
  }),
);

it("what is unpacked is what was packed, and equal outputs have equal archives", async () => {
  await fc.assert(
    fc.asyncProperty(fc.dictionary(name, member, { maxKeys: 6 }), async (members) => {
      const made = [await newFolder(), await newFolder()] as const;
      for (const dir of made) {
        await mkdir(join(dir, "sub"));
        for (const [path, item] of Object.entries(members)) {
          const at = join(dir, "sub", path);
          if (item.kind === "folder") await mkdir(at);
          else if (item.kind === "link") await symlink(item.target, at);
          else await writeFile(at, Buffer.concat([Buffer.alloc(item.zeros), item.content]), { mode: item.mode });
        }
      }
      const tree = await describeTree(made[0]);
      const archive = await buffer(packTree(made[0], tree));
      expect(archive.equals(await buffer(packTree(made[1], tree)))).toBe(true);
      const unpacked = await newFolder();
      await unpackTree(packTree(made[0], tree), unpacked);
      expect(await describeTree(unpacked)).toEqual(tree);
    }),
    { numRuns: 40 },
  );
});

it("keeps holes", async () => {
  const [from, to] = [await newFolder(), await newFolder()];
  await writeFile(join(from, "disk"), "begin");
  await truncate(join(from, "disk"), 64 * 1024 ** 2);
  await unpackTree(packTree(from, await describeTree(from)), to);
  const { size, blocks } = await lstat(join(to, "disk"));
  expect(size).toBe(64 * 1024 ** 2);
  expect(blocks * 512).toBeLessThan(1024 ** 2);
});

const hostile: Readonly<Record<string, readonly (Partial<Header> & { name: string })[]>> = {
  "an absolute path": [{ name: "/tmp/x", type: "file" }],
  "a path upward": [{ name: "../x", type: "file" }],
  "a path upward from within": [
    { name: "a", type: "directory" },
    { name: "a/../../x", type: "file" },
  ],
  "a path through a link": [
    { name: "a", type: "symlink", linkname: "/tmp" },
    { name: "a/x", type: "file" },
  ],
  "a file over a link": [
    { name: "a", type: "symlink", linkname: "../x" },
    { name: "a", type: "file" },
  ],
  "a name twice": [
    { name: "a", type: "file" },
    { name: "a", type: "file" },
  ],
  "a hard link": [{ name: "a", type: "link", linkname: "/etc/passwd" }],
  "a device": [{ name: "a", type: "character-device", devmajor: 1, devminor: 1 }],
  "a pipe": [{ name: "a", type: "fifo" }],
  "a folder that is not there": [{ name: "a/b", type: "file" }],
};

for (const [what, headers] of Object.entries(hostile)) {
  it(`refuses ${what}, and writes nothing outside`, async () => {
    const outside = await newFolder();
    const dir = join(outside, "inside");
    await mkdir(dir);
    const tar = pack();
    for (const header of headers) tar.entry(header, header.type === "file" ? "x" : "");
    tar.finalize();
    await expect(unpackTree(tar as unknown as Readable, dir)).rejects.toThrow();
    expect(await readdir(dirname(dir))).toEqual(["inside"]);
  });
}
