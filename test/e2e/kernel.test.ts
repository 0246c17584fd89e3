import { spawn } from "node:child_process";
import { existsSync } from "node:fs";
import { readdir, readFile, rm, stat } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { configureKernel, inKernelTree, kernelJob } from "../../src/cli/build/kernel.ts";
import { lockedPackages } from "../../src/cli/build/lock.ts";
import { loadProject } from "../../src/config/load.ts";
import { cacheDir, rtkitRoot } from "../../src/core/paths.ts";
import { loadFragments } from "../../src/kernel/load.ts";
import { requestText } from "../../src/kernel/configure.ts";
import { inKernel } from "../../src/kernel/make.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Context } from "../../src/pipeline/step.ts";
import { scratchDir } from "../scratch.ts";
import { bootBoard, type Built, type RunningBoard } from "./board.ts";
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
      "CONFIG_ZBUD=y",
      "CONFIG_R8169=m",
      "CONFIG_HZ_250=y",
      "# CONFIG_CRC16 is not set",
      "CONFIG_NR_CPUS=100000",
      "CONFIG_BCM2835_MBOX=y",
      "# CONFIG_NET_VENDOR_REALTEK is not set",
    ];
    await kernelProject(dir, { boardFragments: FULL, fragment: `${lines.join("\n")}\n` });
    const run = await rtkit(["kernel", "config", "--project", dir]);
    expect(run.status).toBe(1);
    const rows = (run.lines.at(-1) as unknown as { options: OptionRow[] }).options;
    const why = Object.fromEntries(rows.map(({ name, reason }) => [name, reason]));
    expect(why).toMatchObject({
      RCU_NOCB_CPUS: "this version of the kernel has no such option; did you mean RCU_NOCB_CPU?",
      ZBUD: expect.stringContaining("no such option"),
      R8169: expect.stringContaining("needs NET_VENDOR_REALTEK, which is n"),
      HZ_1000: expect.stringContaining('HZ_250 won the choice "Timer frequency"'),
      CRC16: expect.stringMatching(/selected by .*EXT4_FS=y/),
      NR_CPUS: expect.stringContaining("it must be from 2 to 512"),
      BCM2835_MBOX: expect.stringContaining("ARCH_BCM2835 is of another architecture"),
    });
    expect(run.lines).toContainEqual(
      expect.objectContaining({
        type: "warning",
        message: expect.stringMatching(
          /CONFIG_NET_VENDOR_REALTEK=n of .*own\.config:8 overrides =y of .*pc\.config:\d+/,
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
    await kernelProject(dir, { boardFragments: FULL, fragment: "CONFIG_HZ_250=y\n" });
    const context: Context = { signal: new AbortController().signal, emit: () => undefined, cacheDir: cacheDir() };
    const { project } = await loadProject({ cwd: dir, dir });
    const { lock, sources } = await lockedPackages(context, project, { mirror: undefined, mode: "use" });
    const job = await kernelJob(context, project, { lock, sources, run: runStep });
    if (job === null) throw new Error("the project's kernel is not compiled");
    const { config } = await configureKernel(context, job, runStep);
    const { options } = await loadFragments([...project.board.kernel.fragments, ...project.kernel.fragments]);
    const merged = await inKernelTree({ ...context, progress: () => undefined }, job, async (tree) => {
      await inKernel(tree, ["sh", "-c", MERGE_SCRIPT], {
        env: { ARCH: "x86_64", FRAGMENT: requestText(options), CC: "ccache gcc", HOSTCC: "ccache gcc" },
      });
      return readFile(join(tree.build, ".config"), "utf8");
    });
    expect(merged).toBe(config);
  });
});

/** merge_config.sh writes beside its fragments, and reads the kernel from where it is called. */
const MERGE_SCRIPT = [
  "set -eu",
  'printf %s "$FRAGMENT" >/tmp/fragment',
  "cd /src",
  "scripts/kconfig/merge_config.sh -n -O /build /tmp/fragment",
].join("\n");

describe("a small kernel", () => {
  const dir = scratchDir("kernel-small-");
  const build = ["kernel", "build", "--project", dir];
  let caches: readonly { RTKIT_CACHE: string; CI?: string }[];
  beforeAll(async () => {
    await kernelProject(dir, { boardFragments: [], fragment: "CONFIG_PRINTK=y\nCONFIG_MODULES=y\n" });
    caches = [
      { RTKIT_CACHE: await coldCache(join(dir, "one"), cacheDir()) },
      { RTKIT_CACHE: await coldCache(join(dir, "two"), cacheDir()) },
    ];
  });

  it("that was killed goes on with what was compiled, leaves nothing running, and becomes the same bytes as one built at once", async () => {
    const [one, two] = caches;
    if (one === undefined || two === undefined) throw new Error("there are two caches");
    const killed = spawn(join(rtkitRoot, "bin", "rtkit"), [...build, "--json"], {
      env: { ...process.env, ...one },
      stdio: "ignore",
      detached: true,
    });
    const compiled = "kernel/fork.o";
    for (;;) {
      const folder = await workFolderIn(one.RTKIT_CACHE);
      if (folder !== undefined && existsSync(join(folder, compiled))) break;
      if (killed.exitCode !== null) throw new Error(`the build ended with ${killed.exitCode}`);
      await new Promise((resolve) => setTimeout(resolve, 100));
    }
    process.kill(-(killed.pid ?? 0), "SIGKILL");
    const folder = (await workFolderIn(one.RTKIT_CACHE)) ?? "";
    while ((await processesIn(folder)).length > 0) await new Promise((resolve) => setTimeout(resolve, 100));
    const before = (await stat(join(folder, compiled))).mtimeMs;

    const first = await rtkitResult<{ image: Built["image"]; deb: Built["image"] }>(build, one);
    expect((await stat(join(folder, compiled))).mtimeMs).toBe(before);
    const [image, deb] = [await digestFile(first.image.path), await digestFile(first.deb.path)];
    await rm(join(dir, "out"), { recursive: true });

    const second = await rtkitResult<{ image: Built["image"]; deb: Built["image"] }>(build, two);
    expect([await digestFile(second.image.path), await digestFile(second.deb.path)]).toEqual([image, deb]);
  });
});

/** Where a cache has the one kernel that is compiled; undefined before. */
async function workFolderIn(cache: string): Promise<string | undefined> {
  const shelf = join(cache, "kernel-work");
  const [name] = existsSync(shelf) ? (await readdir(shelf)).filter((entry) => entry.startsWith("build-")) : [];
  return name === undefined ? undefined : join(shelf, name);
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

describe("an image with a kernel made for its board", () => {
  const dir = scratchDir("kernel-image-");
  let built: Built;
  let board: RunningBoard;
  beforeAll(async () => {
    await kernelProject(dir, { boardFragments: SMALLER, fragment: "" });
    built = await rtkitResult<Built>(["build", "--project", dir]);
    board = await bootBoard(dir, join(dir, "pc.yaml"));
  });
  afterAll(async () => board.stop());

  it("has no initramfs", async () => {
    const { boot } = await rtkitResult<{ boot: { files: string[] } }>(["inspect", built.image.path]);
    expect(boot.files.toSorted()).toEqual(["cmdline.txt", "firstboot.txt", "vmlinuz"]);
  });

  it("boots that kernel, real-time, with every node active", async () => {
    expect(await board.ask("uname -rv")).toMatch(/^6\.12\.\S+-rtkit #1 SMP PREEMPT_RT /);
    expect(await board.ask("systemctl --failed --plain --no-legend")).toBe("");
  });

  it("loads modules by itself, and has the configuration it was made with", async () => {
    expect(await board.ask("zcat /proc/config.gz | cmp - /boot/config-$(uname -r) && lsmod | wc -l")).toMatch(/^\d+$/);
  });

  it.each(["image", "board"])("rtkit kernel check finds nothing fatal on the %s", async (what) => {
    const subject = what === "image" ? [built.image.path] : ["--host", "board", "--ssh-config", board.sshConfig];
    const { options } = await rtkitResult<{ options: { severity: string; verdict: string }[] }>([
      "kernel",
      "check",
      ...subject,
      "--project",
      dir,
    ]);
    expect(options.filter(({ severity, verdict }) => severity !== "info" && verdict === "differs")).toEqual([]);
  });
});

/** Without the drivers of what robots plug in: a virtual machine has none of it, and half of the files belong to them. */
const SMALLER = ["base", "systemd", "no-containers", "preempt-rt", "pc"];
