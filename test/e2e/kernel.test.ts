import { spawn, type ChildProcess } from "node:child_process";
import { existsSync } from "node:fs";
import { copyFile, cp, mkdir, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { isAbsolute, join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { beforeAll, describe, expect, it } from "vitest";
import { configureKernel, inKernelTree, kernelJob, type KernelJob } from "../../src/cli/build/kernel.ts";
import { lockedPackages } from "../../src/cli/build/lock.ts";
import { loadProject } from "../../src/config/load.ts";
import type { Project } from "../../src/config/model.ts";
import { cacheDir, rtkitRoot } from "../../src/core/paths.ts";
import { FRAGMENTS } from "../../src/kernel/load.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Context } from "../../src/pipeline/step.ts";
import { describeTree } from "../../src/pipeline/tree.ts";
import { scratchDir } from "../scratch.ts";
import type { Built } from "./board.ts";
import { rtkit, rtkitResult } from "./cli.ts";
import { coldCache, kernelProject } from "./kernel-project.ts";

/** What of a kernel's options the command line tells. */
interface OptionRow {
  readonly name: string;
  readonly wanted: string;
  readonly got: string;
  readonly accepted: boolean;
  readonly reason: string;
}

const FULL = ["base", "systemd", "no-containers", "devices", "preempt-rt", "pc"];

describe("the configuration of a kernel", () => {
  const dir = scratchDir("kernel-config-");

  it("says why each option is not as asked: misspelt, gone, dependency, choice, select, range, other architecture", async () => {
    const lines = [
      "CONFIG_RCU_NOCB_CPUS=y",
      "CONFIG_SLAB=y",
      "CONFIG_R8169=m",
      "CONFIG_HZ_250=y",
      "# CONFIG_CRC16 is not set",
      "CONFIG_NR_CPUS=100000",
      "CONFIG_BCM2835_MBOX=y",
      "CONFIG_ARM64_VA_BITS_48=y",
      "CONFIG_VIRT_CPU_ACCOUNTING_NATIVE=y",
      "# CONFIG_NET_VENDOR_REALTEK is not set",
    ];
    await kernelProject(dir, { boardFragments: FULL, fragment: `${lines.join("\n")}\n` });
    const run = await rtkit(["kernel", "config", "--project", dir]);
    expect(run.status).toBe(1);
    const rows = (run.lines.at(-1) as unknown as { options: OptionRow[] }).options;
    const why = Object.fromEntries(rows.map(({ name, reason }) => [name, reason]));
    expect(why).toMatchObject({
      RCU_NOCB_CPUS: "this version of the kernel has no such option; did you mean RCU_NOCB_CPU?",
      SLAB: expect.stringContaining("no such option"),
      R8169: expect.stringContaining("needs NET_VENDOR_REALTEK, which is n"),
      HZ_1000: expect.stringContaining('HZ_250 won the choice "Timer frequency"'),
      CRC16: expect.stringMatching(/selected by .*EXT4_FS=y/),
      NR_CPUS: expect.stringContaining("it must be from 2 to 512"),
      ARM64_VA_BITS_48: "this architecture has no such option: it is one of arm64",
      VIRT_CPU_ACCOUNTING_NATIVE: expect.stringContaining("needs HAVE_VIRT_CPU_ACCOUNTING"),
      BCM2835_MBOX: expect.stringContaining("needs ARCH_BCM2835, which is of another architecture"),
    });
    expect(run.lines).toContainEqual(
      expect.objectContaining({
        type: "warning",
        message: expect.stringMatching(
          /CONFIG_NET_VENDOR_REALTEK=n of .*own\.config:10 overrides =y of .*pc\.config:\d+/,
        ),
      }),
    );
  });

  it.each(["rpi4", "qemu-x86_64"])("gives everything that the fragments of %s ask for", async (board) => {
    await kernelProject(dir, { boardFragments: FULL, fragment: "" });
    const result = await rtkitResult<{ options: OptionRow[] }>([
      "kernel",
      "config",
      "--project",
      dir,
      "--board",
      board,
    ]);
    expect(result.options).toEqual([]);
  });

  it("is what the kernel's own merge_config.sh makes of the same fragments", async () => {
    // Of both choices another member is asked for before.
    await kernelProject(dir, { boardFragments: FULL, fragment: "CONFIG_HZ_250=y\nCONFIG_NO_HZ_FULL=y\n" });
    const { context, project, job } = await jobOf(dir);
    const { config } = await configureKernel(context, job, runStep);
    const fragments = join(dir, "fragments");
    await mkdir(fragments, { recursive: true });
    for (const [index, name] of [...project.board.kernel.fragments, ...project.kernel.fragments].entries()) {
      const file = isAbsolute(name) ? name : join(FRAGMENTS, `${name}.config`);
      await copyFile(file, join(fragments, `${String(index).padStart(2, "0")}.config`));
    }
    const merged = await inKernelTree({ ...context, progress: () => undefined }, job, async (tree) => {
      await job.toolchain.run(["sh", "-c", MERGE_SCRIPT], {
        mounts: [
          { from: tree.source, to: "/src" },
          { from: tree.build, to: "/build" },
          { from: fragments, to: "/origin", readOnly: true },
        ],
        env: { ARCH: "x86_64" },
      });
      return readFile(join(tree.build, ".config"), "utf8");
    });
    expect(merged).toBe(config);
  });

  it("is what kernel check compares others with: a Raspberry Pi's defconfig asks for what real-time forbids", async () => {
    await kernelProject(dir, { boardFragments: FULL, fragment: "" });
    const { context, job } = await jobOf(dir);
    const defconfig = join(dir, "bcm2835_defconfig");
    await inKernelTree({ ...context, progress: () => undefined }, job, async ({ source }) =>
      copyFile(join(source, "arch/arm/configs/bcm2835_defconfig"), defconfig),
    );
    const words = ["kernel", "check", defconfig, "--project", dir, "--board", "rpi4"];
    const { lines, status } = await rtkit(words);
    expect(status).toBe(1);
    const { options } = lines.at(-1) as unknown as { options: (OptionRow & { severity: string; verdict: string })[] };
    expect(options.filter(({ severity, verdict }) => severity === "fatal" && verdict === "differs")).toMatchObject([
      { name: "RT_GROUP_SCHED", got: "y" },
    ]);
    // What a defconfig leaves out is the default of a kernel that only its source knows.
    expect(options.find(({ name }) => name === "PREEMPT_RT")).toMatchObject({ severity: "fatal", verdict: "unsaid" });
    expect(options.find(({ name }) => name === "CPU_FREQ")).toMatchObject({ verdict: "satisfied" });
  });
});

/** What there is to compile for a project, whose source is here. */
async function jobOf(dir: string): Promise<{
  readonly context: Context;
  readonly project: Project;
  readonly job: KernelJob;
}> {
  const context: Context = { signal: new AbortController().signal, emit: () => undefined, cacheDir: cacheDir() };
  const { project } = await loadProject({ cwd: dir, dir });
  const { lock, sources } = await lockedPackages(context, project, { mirror: undefined, mode: "use" });
  const job = await kernelJob(context, project, { lock, sources, run: runStep });
  if (job === null) throw new Error("the project's kernel is not compiled");
  return { context, project, job };
}

/** merge_config.sh has to be called in the kernel's source, and leaves a file there while it works. */
const MERGE_SCRIPT = "cd /src && scripts/kconfig/merge_config.sh -n -O /build /origin/*.config";

/** Where a cache has the one kernel that is compiled; undefined before. */
async function workFolderIn(cache: string): Promise<string | undefined> {
  const shelf = join(cache, "kernel-work");
  const [name] = existsSync(shelf) ? (await readdir(shelf)).filter((entry) => entry.startsWith("build-")) : [];
  return name === undefined ? undefined : join(shelf, name);
}

/** A patch that changes what the miniature's robot returns. */
function patch(from: number, to: number): string {
  const [before, after] = [from, to].map((value) => `int robot(void) { return ${value}; }`);
  return `--- a/robot.c\n+++ b/robot.c\n@@ -1 +1 @@\n-${before}\n+${after}\n`;
}

/** Paths of the files in a folder whose names end so. */
async function filesIn(folder: string, ending: string): Promise<string[]> {
  return (await readdir(folder)).filter((name) => name.endsWith(ending)).map((name) => join(folder, name));
}

/** Waits until a build has compiled an object; returns the folder that it is in. */
async function untilCompiled(cache: string, name: string, build: ChildProcess): Promise<string> {
  for (;;) {
    const folder = await workFolderIn(cache);
    if (folder !== undefined && existsSync(join(folder, name))) return folder;
    if (build.exitCode !== null) throw new Error(`the build ended with ${build.exitCode}`);
    await sleep(100);
  }
}

/** Processes that work in a folder, seen from here. */
async function processesIn(folder: string): Promise<string[]> {
  const found: string[] = [];
  for (const pid of (await readdir("/proc")).filter((name) => /^\d+$/.test(name))) {
    const mounts = await readFile(`/proc/${pid}/mountinfo`, "utf8").catch(() => "");
    if (mounts.includes(folder)) found.push(pid);
  }
  return found;
}

describe("a kernel out of a folder (one in miniature, which does not boot; kernel-image.test.ts boots Debian's)", () => {
  const dir = scratchDir("kernel-folder-");
  const linux = join(dir, "linux");
  const build = ["kernel", "build", "--project", dir];
  let env: { RTKIT_CACHE: string };
  beforeAll(async () => {
    env = { RTKIT_CACHE: await coldCache(join(dir, "cache"), cacheDir()) };
    await cp(join(rtkitRoot, "test/fixtures/kernel/miniature"), linux, { recursive: true });
    await kernelProject(dir, { boardFragments: [], fragment: "CONFIG_MODULES=y\n", source: "./linux" });
  });

  /** The object of a source file in the folder where the kernel is compiled. */
  const object = async (name: string): Promise<string> => join((await workFolderIn(env.RTKIT_CACHE)) ?? "", name);

  it("leaves image, configuration, release and a Debian package in out/, and nothing in the folder", async () => {
    const before = await readdir(linux);
    const { release, deb } = await rtkitResult<{ release: string; deb: Built["image"] }>(build, env);
    expect(release).toBe("6.99.1-rtkit");
    expect((await readdir(join(dir, "out/pc/kernel"))).toSorted()).toEqual([
      "config",
      "linux-image-6.99.1-rtkit_6.99.1+rtkit_amd64.deb",
      "release",
      "vmlinuz",
    ]);
    const { stdout } = await execa("dpkg-deb", ["--contents", deb.path]);
    const files = stdout.split("\n").map((line) => line.split(/\s+/)[5]);
    expect(files).toContain("./usr/lib/modules/6.99.1-rtkit/kernel/robot.ko");
    expect(files).toContain("./usr/lib/modules/6.99.1-rtkit/modules.dep");
    expect(files).not.toContain("./usr/lib/modules/6.99.1-rtkit/build");
    expect(stdout.split("\n").every((line) => line.includes(" root/root "))).toBe(true);
    expect(await readdir(linux)).toEqual(before);
  });

  it("says in its image who made it, where and when: rtkit, rtkit, and the time of the lock", async () => {
    const image = await readFile(join(dir, "out/pc/kernel/vmlinuz"), "latin1");
    expect(image).toMatch(/rtkit@rtkit \w{3}, \d\d \w{3} 20\d\d /);
  });

  it("goes on after it was killed, which left nothing running, and becomes the same bytes as one built at once", async () => {
    const cold = { RTKIT_CACHE: await coldCache(join(dir, "other"), cacheDir()) };
    const [image, deb] = [join(dir, "out/pc/kernel/vmlinuz"), (await filesIn(join(dir, "out/pc/kernel"), ".deb"))[0]];
    const built = [await digestFile(image), await digestFile(deb ?? "")];
    await rm(join(dir, "out"), { recursive: true });
    await writeFile(join(linux, "slow-robot"), "");
    const killed = spawn(join(rtkitRoot, "bin", "rtkit"), [...build, "--json"], {
      env: { ...process.env, ...cold },
      stdio: "ignore",
      detached: true,
    });
    const folder = await untilCompiled(cold.RTKIT_CACHE, "kernel.o", killed);
    process.kill(-(killed.pid ?? 0), "SIGKILL");
    while ((await processesIn(folder)).length > 0) await sleep(100);
    const kept = (await stat(join(folder, "kernel.o"))).mtimeMs;
    await rm(join(linux, "slow-robot"));
    await rtkitResult(build, cold);
    expect((await stat(join(folder, "kernel.o"))).mtimeMs).toBe(kept);
    expect([await digestFile(image), await digestFile(deb ?? "")]).toEqual(built);
  });

  it("compiles only what changed in the folder", async () => {
    const kept = (await stat(await object("kernel.o"))).mtimeMs;
    await writeFile(join(linux, "robot.c"), "int robot(void) { return 2; }\n");
    expect(await rtkitResult(build, env)).toMatchObject({ cached: false });
    expect((await stat(await object("kernel.o"))).mtimeMs).toBe(kept);
    expect(await rtkitResult(build, env)).toMatchObject({ cached: true });
  });

  it("tells what the compiler said", async () => {
    await writeFile(join(linux, "robot.c"), "int robot(void) { return }\n");
    const run = await rtkit(build, env);
    expect(run.status).toBe(1);
    expect(run.lines.at(-1)).toMatchObject({
      code: "RTK_KERNEL_BUILD",
      message: expect.stringContaining("robot.c:1:26: error: expected expression before"),
    });
  });

  it("has nothing of a kernel that was compiled in the same folder before, and is the same as one compiled alone", async () => {
    const board = { board: "virt", boardFragments: [], source: "./linux" } as const;
    const out = join(dir, "out/virt/kernel");
    await writeFile(join(linux, "robot.c"), "int robot(void) { return 1; }\n");
    await kernelProject(dir, { ...board, fragment: "CONFIG_MODULES=y\nCONFIG_CAMERA=y\n" });
    await rtkitResult(build, env);
    expect(await readdir(join(out, "overlays"))).toEqual(["camera.dtbo"]);
    await kernelProject(dir, { ...board, fragment: "CONFIG_MODULES=y\n" });
    await rtkitResult(build, env);
    const after = await describeTree(out);
    expect(Object.keys(after)).toContain("dtbs/vendor/board.dtb");
    expect(Object.keys(after)).not.toContain("overlays/camera.dtbo");
    await rtkitResult(build, { RTKIT_CACHE: await coldCache(join(dir, "alone"), cacheDir()) });
    expect(await describeTree(out)).toEqual(after);
  });

  it("takes the project's patches in order, and says which one does not fit, and where", async () => {
    await writeFile(join(linux, "robot.c"), "int robot(void) { return 1; }\n");
    await writeFile(join(dir, "1.patch"), patch(1, 2));
    await writeFile(join(dir, "2.patch"), patch(2, 3));
    const project = { boardFragments: [], fragment: "CONFIG_MODULES=y\n", source: "./linux" };
    await kernelProject(dir, { ...project, patches: ["1.patch", "2.patch"] });
    await rtkitResult(build, env);
    expect(await readFile(join(linux, "robot.c"), "utf8")).toContain("return 1");
    await kernelProject(dir, { ...project, patches: ["2.patch", "1.patch"] });
    const run = await rtkit(build, env);
    expect(run.status).toBe(2);
    expect(run.lines.at(-1)).toMatchObject({
      code: "RTK_KERNEL_PATCH",
      message: "this patch cannot be applied: hunk 1 of robot.c does not fit",
      where: { file: expect.stringMatching(/2\.patch$/), line: 3 },
    });
  });
});
