import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, expect, it } from "vitest";
import { canonicalJson, digestOf, digestTree, type Json } from "../../src/pipeline/digest.ts";

let dir: string;
beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rtkit-digest-"));
});
afterEach(() => rm(dir, { recursive: true }));

it("does not depend on the order of keys, and says everything JSON says", () => {
  fc.assert(
    fc.property(fc.dictionary(fc.string(), fc.jsonValue()), (value) => {
      const turned = Object.fromEntries(Object.entries(value).toReversed());
      expect(digestOf(turned as Json)).toBe(digestOf(value as Json));
      expect(JSON.parse(canonicalJson(value as Json))).toEqual(JSON.parse(JSON.stringify(value)));
    }),
  );
});

it("sees names, contents, executable bits and links of a folder, and nothing else", async () => {
  const fill = async (name: string): Promise<string> => {
    const root = join(dir, name);
    await mkdir(join(root, "sub"), { recursive: true });
    await writeFile(join(root, "sub", "file"), "text");
    await symlink("file", join(root, "sub", "link"));
    return root;
  };
  const one = await fill("one");
  const two = await fill("two");
  const digest = await digestTree(one);
  expect(await digestTree(two)).toBe(digest);
  await chmod(join(two, "sub", "file"), 0o755);
  expect(await digestTree(two)).not.toBe(digest);
  await chmod(join(two, "sub", "file"), 0o600);
  expect(await digestTree(two)).toBe(digest);
  await rm(join(two, "sub", "link"));
  expect(await digestTree(two)).not.toBe(digest);
  expect(await digestTree(join(dir, "missing"))).toBe(digestOf(null));
});
