import { chmod, mkdir, mkdtemp, rm, symlink, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { treeDigest } from "../../src/pipeline/entry.ts";
import { describeTree, stampTree } from "../../src/pipeline/tree.ts";
import { scratchDir } from "../scratch.ts";

const dir = scratchDir("rtkit-tree-");

async function folder(): Promise<string> {
  const root = await mkdtemp(join(dir, "tree-"));
  await mkdir(join(root, "sub", "empty"), { recursive: true });
  await writeFile(join(root, "sub", "file"), "text");
  await symlink("file", join(root, "sub", "link"));
  return root;
}

async function digest(root: string): Promise<string> {
  return treeDigest(await describeTree(root));
}

it("two folders of one content have one digest, whatever their times and other modes", async () => {
  const [one, two] = [await folder(), await folder()];
  await utimes(join(two, "sub", "file"), 1, 1);
  await chmod(join(two, "sub", "file"), 0o600);
  expect(await digest(two)).toBe(await digest(one));
});

const changes: Readonly<Record<string, (root: string) => Promise<unknown>>> = {
  "a content": (root) => writeFile(join(root, "sub", "file"), "texT"),
  "an executable bit": (root) => chmod(join(root, "sub", "file"), 0o755),
  "a link's target": async (root) => {
    await rm(join(root, "sub", "link"));
    await symlink("fil", join(root, "sub", "link"));
  },
  "a new file": (root) => writeFile(join(root, "sub", "empty", "new"), ""),
  "a folder that went": (root) => rm(join(root, "sub", "empty"), { recursive: true }),
};

for (const [what, change] of Object.entries(changes)) {
  it(`${what} changes the digest, and the stamps`, async () => {
    const root = await folder();
    const tree = await describeTree(root);
    const stamps = stampTree(root, tree);
    expect(stampTree(root, tree)).toEqual(stamps);
    await change(root);
    expect(await digest(root)).not.toBe(treeDigest(tree));
    expect(stampTree(root, tree)).not.toEqual(stamps);
  });
}
