import { mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { cacheDir } from "../../src/core/paths.ts";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { hostArchitecture } from "../../src/core/architecture.ts";
import { checkHost } from "../../src/rootfs/host-check.ts";
import { requireHostArchitecture } from "../../src/rootfs/tools-tree.ts";
import { realTools } from "../image/tools-fixtures.ts";

let dir = "";
let tools: Toolbox;

beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "tools-"));
  await checkHost(hostArchitecture() ?? "amd64", cacheDir());
  tools = await realTools();
}, 120_000);
afterAll(async () => rm(dir, { recursive: true }));

describe("the tools tree", () => {
  test.each([
    ["mke2fs", ["-V"], /1\.47\.2/],
    ["sfdisk", ["--version"], /util-linux 2\.41/],
    ["mcopy", ["--version"], /mtools/],
    ["mkfs.vfat", ["--help"], /FAT/],
    ["zstd", ["--version"], /Zstandard/],
  ])("%s runs", async (tool, args, expected) => {
    const { stdout, stderr } = await tools.run(tool, args);
    expect(stdout + stderr).toMatch(expected);
  });

  test("python3 is the suite's and sees nothing of the host", async () => {
    process.env["PYTHONPATH"] = "/host";
    const { stdout } = await tools.run("python3", [
      "-c",
      "import sys, json, ssl; print(json.dumps([sys.version_info[:2], sys.path]))",
    ]);
    delete process.env["PYTHONPATH"];
    const [version, path] = JSON.parse(stdout) as [number[], string[]];
    expect(version).toEqual([3, 13]);
    expect(path.every((folder) => folder.startsWith(cacheDir()))).toBe(true);
  });

  test("a file goes into a FAT file system with its long name and comes out", async () => {
    const image = join(dir, "fat.img");
    await tools.run("mkfs.vfat", ["-C", image, "4096"]);
    await tools.run("mcopy", ["-i", image, import.meta.filename, "::/a long Näme.ts"]);
    await tools.run("mcopy", ["-i", image, "::/a long Näme.ts", join(dir, "out.ts")]);
    expect(await readFile(join(dir, "out.ts"))).toEqual(await readFile(import.meta.filename));
  });

  test("a tool that is not in the tree is a bug, not a program of the host's", async () => {
    await expect(tools.run("git", [])).rejects.toThrow("the tools tree has no git");
  });
});

test("a machine that builds do not run on is told so", () => {
  const real = process.arch;
  Object.defineProperty(process, "arch", { value: "riscv64" });
  try {
    expect(() => requireHostArchitecture()).toThrow(expect.objectContaining({ code: "RTK_HOST_ARCHITECTURE" }));
  } finally {
    Object.defineProperty(process, "arch", { value: real });
  }
});
