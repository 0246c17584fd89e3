import { existsSync } from "node:fs";
import { mkdir, readdir, readFile, stat, utimes, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { compileKernel } from "../../src/kernel/compile.ts";
import type { KernelTree } from "../../src/kernel/make.ts";
import { scratchDir } from "../scratch.ts";
import { fakeToolchain, Printed, type FakeRun } from "./fake-toolchain.ts";

const release = "6.12.118-rtkit";
const config = "CONFIG_PREEMPT_RT=y\nCONFIG_MODULES=y\n";

let tree: KernelTree;
let outDir: string;
let made: string[][];
let fail: string | undefined;
let printed = "";
beforeEach(async () => {
  printed = "";
  const dir = scratchDir("kernel-");
  made = [];
  fail = undefined;
  outDir = join(dir, "out");
  tree = {
    toolchain: fakeToolchain(kernelMake),
    architecture: "arm64",
    source: join(dir, "source"),
    build: join(dir, "build"),
    ccache: join(dir, "ccache"),
    sourceDateEpoch: 1_764_000_000,
    signal: new AbortController().signal,
  };
  for (const folder of [tree.source, tree.build, outDir]) await mkdir(folder);
});

/** What a kernel's make leaves. */
async function kernelMake({ command, at }: FakeRun): Promise<string> {
  const save = async (path: string, content: string): Promise<void> => {
    await mkdir(dirname(join(at("/build"), path)), { recursive: true });
    await writeFile(join(at("/build"), path), content);
  };
  if (command[0] === "sh") {
    await save((command.at(-1) ?? "").replace(/^\/build\//, ""), "a Debian package");
    return "";
  }
  made.push([...command]);
  if (fail !== undefined) throw new Printed(fail);
  if (command.includes("modules_install")) {
    const modules = `rtkit-stage/lib/modules/${release}`;
    await save(`${modules}/kernel/vcan.ko`, "module");
    await save(`${modules}/build`, "a link to this machine");
  } else if (command.includes("dtbs_install")) {
    await save("rtkit-stage/broadcom/bcm2711-rpi-4-b.dtb", "tree");
    await save("rtkit-stage/overlays/imx219.dtbo", "overlay");
  } else {
    await save("arch/arm64/boot/Image", "image");
    await save("arch/arm64/boot/dts/broadcom/bcm2712-rpi-5-b.dtb", "left by an earlier configuration");
    await save("include/config/kernel.release", `${release}\n`);
    return printed;
  }
  return "";
}

const compile = async (): Promise<void> =>
  compileKernel(tree, { outDir, config, version: "6.12.118-1", progress: () => undefined });

describe("compiling a kernel", () => {
  test("leaves the image, its configuration, device trees, overlays, modules and a Debian package, and no link to this machine", async () => {
    await compile();
    const entries = await readdir(outDir, { recursive: true, withFileTypes: true });
    const files = entries.filter((entry) => entry.isFile()).map(({ parentPath, name }) => join(parentPath, name));
    expect(files.map((file) => relative(outDir, file)).toSorted()).toEqual([
      "kernel/config",
      "kernel/dtbs/broadcom/bcm2711-rpi-4-b.dtb",
      "kernel/overlays/imx219.dtbo",
      "kernel/release",
      "kernel/vmlinuz",
      `linux-image-${release}_6.12.118-1+rtkit_arm64.deb`,
      `modules/lib/modules/${release}/kernel/vcan.ko`,
    ]);
    expect(await readFile(join(outDir, "kernel/config"), "utf8")).toBe(config);
    expect(existsSync(join(tree.build, "rtkit-stage"))).toBe(false);
  });

  test("nothing in the kernel says who made it, where and when", async () => {
    await compile();
    expect(made[0]).toEqual(
      expect.arrayContaining([
        "KBUILD_BUILD_USER=rtkit",
        "KBUILD_BUILD_HOST=rtkit",
        "KBUILD_BUILD_VERSION=1",
        "KBUILD_BUILD_TIMESTAMP=Mon, 24 Nov 2025 16:00:00 GMT",
        "CROSS_COMPILE=aarch64-linux-gnu-",
      ]),
    );
  });

  test("goes on in the same folder: a configuration that is the same keeps its time, and make compiles only what is missing", async () => {
    await compile();
    const file = join(tree.build, ".config");
    await utimes(file, 1000, 1000);
    await compile();
    expect((await stat(file)).mtimeMs).toBe(1_000_000);
  });

  test("says which folder is compiled, modules' too, and how many files were", async () => {
    printed =
      "  CC      kernel/fork.o\n  CC [M]  drivers/net/tun.o\n  LD [M]  drivers/net/tun.ko\n  UPD     include/x.h\n";
    const said: string[] = [];
    await compileKernel(tree, { outDir, config, version: null, progress: (text) => void said.push(text) });
    expect(said.slice(0, 3)).toEqual([
      "compiling kernel, 1 files",
      "compiling drivers/net, 2 files",
      "linking drivers/net, 2 files",
    ]);
  });

  test("the first error of the compiler is told, not the last lines of make", async () => {
    const noise = Array.from({ length: 40 }, (_, line) => `make: noise ${line}`).join("\n");
    fail = `In file included from /src/a.h:1:\n/src/a.c:3:1: error: expected ';'\n${noise}`;
    await expect(compile()).rejects.toMatchObject({
      code: "RTK_KERNEL_BUILD",
      message: expect.stringContaining("/src/a.c:3:1: error: expected ';'"),
    });
  });
});
