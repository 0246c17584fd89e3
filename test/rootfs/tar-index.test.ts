import { mkdtemp, open, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, expect, test } from "vitest";
import { cleanPath, indexTar, readEntry } from "../../src/rootfs/tar-index.ts";
import { writeTar, type TestEntry } from "./trees.ts";

let dir = "";
beforeAll(async () => void (dir = await mkdtemp(join(tmpdir(), "tar-index-"))));
afterAll(async () => rm(dir, { recursive: true }));

const name = fc
  .array(fc.stringMatching(/^[a-zA-Zäöü0-9_-]{1,60}$/), { minLength: 1, maxLength: 4 })
  .map((parts) => parts.join("/"));
const entries = fc.uniqueArray(
  fc.record({
    name,
    type: fc.constantFrom("file" as const, "directory" as const, "symlink" as const, "link" as const),
    content: fc.string({ maxLength: 2000 }),
    linkname: name,
    // tar-stream writes its default for a mode of 0.
    mode: fc.integer({ min: 1, max: 0o7777 }),
    uid: fc.integer({ min: 0, max: 65535 }),
    gid: fc.integer({ min: 0, max: 65535 }),
  }),
  { selector: (entry) => entry.name, maxLength: 8 },
);

test("what was written is found, contents included, and the entries fill the tar without a gap", async () => {
  const path = join(dir, "x.tar");
  await fc.assert(
    fc.asyncProperty(entries, async (list) => {
      const written: TestEntry[] = list.map(({ linkname, ...entry }) =>
        entry.type === "symlink" || entry.type === "link" ? { ...entry, linkname } : entry,
      );
      await writeTar(path, written);
      const file = await open(path);
      try {
        const found = await indexTar(file);
        expect(found.map((entry) => entry.path)).toEqual(list.map((entry) => entry.name));
        let end = 0;
        for (const [index, entry] of found.entries()) {
          const { type, mode, uid, gid, content, linkname } = list[index] as (typeof list)[number];
          expect(entry).toMatchObject({ type, mode, uid, gid, offset: end });
          if (type === "file") expect((await readEntry(file, entry)).toString()).toBe(content);
          if (type === "symlink" || type === "link") expect(entry.link).toBe(linkname);
          end = entry.offset + entry.length;
        }
        expect((await readFile(path)).length).toBe(end + 1024);
      } finally {
        await file.close();
      }
    }),
    { numRuns: 50 },
  );
});

test("a file that is no tar is refused", async () => {
  const file = await open(import.meta.filename);
  await expect(indexTar(file)).rejects.toThrow("not a tar header at byte 0");
  await file.close();
});

test.each([
  ["./", ""],
  ["./usr//bin/", "usr/bin"],
  ["/etc/./passwd", "etc/passwd"],
])("cleanPath(%j)", (path, clean) => expect(cleanPath(path)).toBe(clean));
