import { cp, mkdir, readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join, relative } from "node:path";
import { RtkitError } from "../core/errors.ts";
import type { ExecOptions } from "../core/exec.ts";
import { kernelArchitecture, LOCAL_VERSION, makeKernel, type KernelTree } from "./make.ts";
import { makeDeb } from "./deb.ts";
import { parseKconfig } from "./kconfig.ts";

/** Where modules and device trees are installed below the build's folder, before they go into the output. */
const STAGE = "rtkit-stage";

/** How many of the compiler's last lines explain a failure. */
const TOLD_LINES = 20;

/**
 * Compiles a kernel in its build folder, where it goes on with what an earlier build left, and puts into `outDir`:
 * `kernel/{vmlinuz,config,release}`, `kernel/dtbs/<vendor>/*.dtb`, `kernel/overlays/*.dtbo`, the modules below
 * `modules/lib/modules/<release>/` and a Debian package. Throws RTK_KERNEL_BUILD.
 */
export async function compileKernel(
  tree: KernelTree,
  options: {
    readonly outDir: string;
    /** The text of `.config`. */
    readonly config: string;
    /** The version of Debian's source package; null where the source is somebody else's. */
    readonly version: string | null;
    readonly progress: (text: string) => void;
  },
): Promise<void> {
  const { build } = tree;
  const { outDir, progress } = options;
  const { target, image, hasDeviceTrees } = kernelArchitecture(tree.architecture);
  await writeConfig(join(build, ".config"), options.config);
  const hasModules = parseKconfig(options.config).has("MODULES");
  const targets = [target, ...(hasModules ? ["modules"] : []), ...(hasDeviceTrees ? ["dtbs"] : [])];
  await make(tree, targets, compileProgress(progress));
  const result = await readFile(join(build, ".config"), "utf8");
  if (result !== options.config) throw new Error("make changed the kernel's configuration");
  const release = (await readFile(join(build, "include/config/kernel.release"), "utf8")).trim();
  if (hasModules) {
    progress("installing modules");
    await installModules(tree, release, join(outDir, "modules"));
  }
  await mkdir(join(outDir, "kernel"), { recursive: true });
  await cp(join(build, image), join(outDir, "kernel/vmlinuz"));
  await writeFile(join(outDir, "kernel/config"), result);
  await writeFile(join(outDir, "kernel/release"), `${release}\n`);
  if (hasDeviceTrees) await installDeviceTrees(tree, join(outDir, "kernel"));
  progress("making the Debian package");
  const version = `${options.version ?? release.slice(0, -LOCAL_VERSION.length)}+rtkit`;
  await makeDeb(tree, { outDir, release, version, stage: STAGE });
  await rm(join(build, STAGE), { recursive: true, force: true });
}

/** A new, empty {@link STAGE}. */
async function makeStage({ build }: KernelTree): Promise<string> {
  const stage = join(build, STAGE);
  await rm(stage, { recursive: true, force: true });
  await mkdir(stage);
  return stage;
}

async function installModules(tree: KernelTree, release: string, to: string): Promise<void> {
  const stage = await makeStage(tree);
  await make(tree, [`INSTALL_MOD_PATH=/build/${STAGE}`, "DEPMOD=/usr/sbin/depmod", "modules_install"]);
  // Where headers are, on this machine.
  for (const link of ["build", "source"]) await rm(join(stage, "lib/modules", release, link), { force: true });
  await cp(stage, to, { recursive: true });
}

/** An equal file keeps its time: make would look at every option again. */
async function writeConfig(path: string, text: string): Promise<void> {
  if ((await readFile(path, "utf8").catch(() => undefined)) !== text) await writeFile(path, text);
}

async function make(
  tree: KernelTree,
  words: readonly string[],
  onStdoutLine: NonNullable<ExecOptions["onStdoutLine"]> = () => undefined,
): Promise<void> {
  const lines: string[] = [];
  try {
    await makeKernel(tree, words, {
      onStdoutLine,
      onStderrLine: (line) => {
        lines.push(line);
      },
    });
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    const first = lines.findIndex((line) => /(^|: )(fatal )?error: |undefined reference|\*\*\*/i.test(line));
    const told = first < 0 ? lines.slice(-TOLD_LINES) : lines.slice(Math.max(0, first - 3), first + TOLD_LINES);
    throw new RtkitError("RTK_KERNEL_BUILD", `the kernel does not compile:\n${told.join("\n")}`, {
      hint: "paths are relative to the kernel's source; a build goes on where this one stopped",
      cause: error,
    });
  }
}

/** Says which folder is compiled, and how many files were. make does not know how many there will be. */
function compileProgress(progress: (text: string) => void): (line: string) => void {
  let files = 0;
  return (line) => {
    const [, what, file] = /^ {2}(CC|AS|LD|AR|DTC|HOSTCC)(?: \[M\])?\s+(\S+)/.exec(line) ?? [];
    if (what === undefined || file === undefined) return;
    if (what === "CC") files += 1;
    progress(`${what === "LD" ? "linking" : "compiling"} ${dirname(file)}, ${files} files`);
  };
}

/**
 * Device trees keep their vendor's folder, as Debian's kernel packages have them; overlays are put side by side, as firmware
 * reads them. Only those that make installs: beside them lie what earlier configurations left.
 */
async function installDeviceTrees(tree: KernelTree, to: string): Promise<void> {
  const stage = await makeStage(tree);
  await make(tree, [`INSTALL_DTBS_PATH=/build/${STAGE}`, "dtbs_install"]);
  for (const entry of await readdir(stage, { recursive: true, withFileTypes: true })) {
    if (!entry.isFile() || !/\.dtbo?$/.test(entry.name)) continue;
    const source = join(entry.parentPath, entry.name);
    const target = entry.name.endsWith(".dtbo")
      ? join(to, "overlays", entry.name)
      : join(to, "dtbs", relative(stage, source));
    await mkdir(dirname(target), { recursive: true });
    await cp(source, target);
  }
}
