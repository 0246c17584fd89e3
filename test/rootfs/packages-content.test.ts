import { mkdir, mkdtemp, readFile, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { extractContent, type ContentOptions } from "../../src/rootfs/packages-content.ts";
import type { Layer, LayerContent } from "../../src/rootfs/layer.ts";
import { importableNames, layerModules } from "../../src/rootfs/python-modules.ts";
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
  { name: "./usr/local/lib/python3.13/dist-packages/pipped.py", content: "" },
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
    expect(JSON.parse(await read("python-modules.json"))).toEqual({
      version: "python3.13",
      modules: ["_abc", "json", "pipped", "sys"],
    });
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
    expect(JSON.parse(await read("python-modules.json"))).toEqual({ version: null, modules: [] });
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

const file = (path: string): { path: string; type: string } => ({ path, type: "file" });
const folder = (path: string): { path: string; type: string } => ({ path, type: "directory" });
const link = (path: string): { path: string; type: string } => ({ path, type: "symlink" });

test("modules: packages, sources and extensions directly in the folders, nothing else", () => {
  const names = importableNames(
    [
      folder("d/numpy"),
      folder("d/numpy-2.2.4.dist-info"),
      folder("d/__pycache__"),
      folder("other/no"),
      link("d/linked"),
      link("d/linked_file.py"),
      link("d/linked.egg-info"),
      file("d/README"),
      file("d/six.py"),
      file("d/_cffi.cpython-313-aarch64-linux-gnu.so"),
      file("d/_limited.abi3.so"),
      file("d/easy-install.pth"),
      file("d/numpy/inner.py"),
    ],
    ["d"],
    ["sys"],
  );
  expect(names).toEqual(["_cffi", "_limited", "linked", "linked_file", "numpy", "six", "sys"]);
});

const layer = (paths: readonly string[], content: LayerContent): Layer => ({
  name: "overlay site",
  entries: paths.map((path) => {
    return { path, content, mode: 0o644, owner: "root", group: "root", where: { file: "overlay.yaml" } };
  }),
  replaces: new Map(),
});

describe("modules of layers", () => {
  const layers = [
    layer(
      [
        "usr/lib/python3/dist-packages/armdrv.cpython-313-aarch64-linux-gnu.so",
        "usr/local/lib/python3.13/dist-packages/pipped.py",
        "usr/local/lib/python3.11/dist-packages/of_another_python.py",
        "lib/python3/dist-packages/through_the_link.py",
        "opt/elsewhere.py",
      ],
      { kind: "text", text: "" },
    ),
    layer(["usr/lib/python3/dist-packages/linked"], { kind: "symlink", target: "/opt/linked" }),
    layer(["usr/lib/python3/dist-packages/folder"], { kind: "directory", declared: false }),
  ];

  test("what they put on the path of the image's Python", () => {
    expect(layerModules(layers, "python3.13")).toEqual(["armdrv", "folder", "linked", "pipped", "through_the_link"]);
  });

  test("are none where the image has no Python", () => expect(layerModules(layers, null)).toEqual([]));
});
