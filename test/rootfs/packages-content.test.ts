import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { extractContent, type ContentOptions } from "../../src/rootfs/packages-content.ts";
import { importableNames } from "../../src/rootfs/python-modules.ts";
import { debianTree, writeTar, type TestEntry } from "./trees.ts";

const status = "Package: apt\nStatus: install ok installed\nArchitecture: arm64\nVersion: 3.0.3\n";
const copyright = [
  "Format: https://www.debian.org/doc/packaging-manuals/copyright-format/1.0/",
  "",
  "Files: *",
  "License: GPL-2+",
  "",
].join("\n");

const release = "6.12.57+deb13-rt-arm64";
const dtb = `./usr/lib/linux-image-${release}/broadcom/bcm2711-rpi-4-b.dtb`;
const tree: readonly TestEntry[] = [
  ...debianTree,
  { name: "./var/lib/dpkg/status", content: status },
  { name: "./usr/lib/os-release", content: "ID=debian\n" },
  { name: "./usr/share/doc/apt", type: "symlink", linkname: "apt-doc" },
  { name: "./usr/share/doc/apt-doc/copyright", content: copyright },
  { name: `./boot/vmlinuz-${release}`, content: "kernel" },
  { name: `./boot/initrd.img-${release}`, content: "initrd" },
  { name: `./boot/config-${release}`, content: "CONFIG_PREEMPT_RT=y\n" },
  { name: dtb, content: "dtb" },
  { name: "./usr/lib/raspi-firmware/start4.elf", content: "blob" },
  { name: "./usr/lib/raspi-firmware/overlays/x.dtbo", content: "overlay" },
  { name: "./usr/bin/python3", type: "symlink", linkname: "python3.13" },
  { name: "./usr/lib/python3.13/json/", type: "directory", mode: 0o755 },
];

let dir = "";
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), "content-"))));
afterEach(async () => rm(dir, { recursive: true }));

const tools = (answer: string): Toolbox => ({
  digest: "",
  sourceDateEpoch: 0,
  run: async () => ({ stdout: answer, stderr: "" }),
});
/** The folder of a compiled kernel, with a device tree and an overlay. */
async function compiledKernel(): Promise<string> {
  const kernelDir = join(dir, "compiled");
  const files = { vmlinuz: "own", config: "CONFIG_EXT4_FS=y\n", release: "6.12.118-rtkit\n" };
  await mkdir(join(kernelDir, "dtbs/broadcom"), { recursive: true });
  await mkdir(join(kernelDir, "overlays"));
  for (const [name, content] of Object.entries(files)) await writeFile(join(kernelDir, name), content);
  await writeFile(join(kernelDir, "dtbs/broadcom/bcm2711-rpi-4-b.dtb"), "own dtb");
  await writeFile(join(kernelDir, "overlays/imx219.dtbo"), "own overlay");
  return kernelDir;
}

async function extract(
  entries: readonly TestEntry[],
  change: Partial<ContentOptions> = {},
): Promise<(path: string) => Promise<string>> {
  const tar = join(dir, "packages.tar");
  await writeTar(tar, entries);
  await extractContent({
    tar,
    outDir: dir,
    deviceTrees: ["broadcom/bcm2711-rpi-4-b.dtb"],
    blobs: ["start4.elf"],
    tools: tools("cpython-313 sys _abc\n"),
    kernelDir: null,
    signal: new AbortController().signal,
    ...change,
  });
  return async (path) => readFile(join(dir, path), "utf8");
}
const without = (name: string): TestEntry[] => tree.filter((entry) => entry.name !== name);

describe("extractContent", () => {
  test("everything later steps ask for", async () => {
    const read = await extract(tree);
    expect(await read("kernel/release")).toBe(`${release}\n`);
    expect(await read("kernel/vmlinuz")).toBe("kernel");
    expect(await read("kernel/initrd.img")).toBe("initrd");
    expect(await read("kernel/config")).toBe("CONFIG_PREEMPT_RT=y\n");
    expect(await read("kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb")).toBe("dtb");
    expect(await read("os-release")).toBe("ID=debian\n");
    expect(JSON.parse(await read("packages.json"))).toEqual([
      { name: "apt", version: "3.0.3", architecture: "arm64", depends: [], licences: ["GPL-2+"] },
    ]);
    expect(await read("firmware/start4.elf")).toBe("blob");
    expect(await read("firmware/overlays/x.dtbo")).toBe("overlay");
    expect(JSON.parse(await read("python-modules.json"))).toEqual(["_abc", "json", "sys"]);
    expect(JSON.parse(await read("content.json"))).toMatchObject({ entries: tree.length });
  });

  test("a kernel that was compiled stands for the packages' one, and has no initramfs", async () => {
    const kernelDir = await compiledKernel();
    const read = await extract(without(`./boot/vmlinuz-${release}`), { kernelDir });
    expect(await read("kernel/release")).toBe("6.12.118-rtkit\n");
    expect(await read("kernel/vmlinuz")).toBe("own");
    expect(await read("kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb")).toBe("own dtb");
    expect(await read("kernel/overlays/imx219.dtbo")).toBe("own overlay");
    await expect(read("kernel/initrd.img")).rejects.toThrow("ENOENT");
  });

  test("a compiled kernel beside a packaged one, or without the board's device tree", async () => {
    const kernelDir = await compiledKernel();
    await expect(extract(tree, { kernelDir })).rejects.toMatchObject({ code: "RTK_KERNEL_MISSING" });
    const deviceTrees = ["broadcom/bcm2712-rpi-5-b.dtb"];
    const entries = without(`./boot/vmlinuz-${release}`);
    await expect(extract(entries, { kernelDir, deviceTrees })).rejects.toMatchObject({
      code: "RTK_DEVICE_TREE_MISSING",
    });
  });

  test("no python in the image", async () => {
    const read = await extract(without("./usr/bin/python3"));
    expect(JSON.parse(await read("python-modules.json"))).toEqual([]);
  });

  test.each([
    ["RTK_KERNEL_MISSING", without(`./boot/vmlinuz-${release}`)],
    ["RTK_KERNEL_MISSING", [...tree, { name: "./boot/vmlinuz-6.12.1", content: "" }]],
    ["RTK_DEVICE_TREE_MISSING", without(dtb)],
    ["RTK_FIRMWARE_MISSING", without("./usr/lib/raspi-firmware/start4.elf")],
  ])("%s", async (code, entries) => expect(extract(entries)).rejects.toMatchObject({ code }));

  test("tools of another Python version are a bug", async () => {
    await expect(extract(tree, { tools: tools("cpython-312 sys\n") })).rejects.toThrow("the image's is python3.13");
  });
});

const file = (path: string): { path: string; directory: boolean } => ({ path, directory: false });

test("modules: packages, sources and extensions directly in the folders, nothing else", () => {
  const names = importableNames(
    [
      { path: "d/numpy", directory: true },
      { path: "d/numpy-2.2.4.dist-info", directory: true },
      { path: "d/__pycache__", directory: true },
      { path: "other/no", directory: true },
      file("d/six.py"),
      file("d/_cffi.cpython-313-aarch64-linux-gnu.so"),
      file("d/_limited.abi3.so"),
      file("d/easy-install.pth"),
      file("d/numpy/inner.py"),
    ],
    ["d"],
    ["sys"],
  );
  expect(names).toEqual(["_cffi", "_limited", "numpy", "six", "sys"]);
});
