import { existsSync } from "node:fs";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { removeTree } from "../../src/core/remove.ts";
import { namespace } from "../../src/rootfs/namespace.ts";
import { scratchDir } from "../scratch.ts";

const dir = scratchDir("rtkit-remove-");

it("removes files, folders, and nothing when nothing is there", async () => {
  await mkdir(join(dir, "a", "b"), { recursive: true });
  await writeFile(join(dir, "a", "b", "c"), "");
  await removeTree(join(dir, "a"));
  await removeTree(join(dir, "a"));
  expect(existsSync(join(dir, "a"))).toBe(false);
});

it("removes what belongs to subordinate ids, whatever its modes", async () => {
  const tree = join(dir, "tree");
  await mkdir(tree);
  await chmod(dir, 0o755);
  const make = namespace([
    "sh",
    "-c",
    'mkdir "$1/x"; touch "$1/x/y"; chown -R 7:7 "$1/x"; chmod 500 "$1/x"',
    "sh",
    tree,
  ]);
  await exec(make.file, make.args);
  await removeTree(tree);
  expect(existsSync(tree)).toBe(false);
});
