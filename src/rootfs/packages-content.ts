import { existsSync } from "node:fs";
import { cp, mkdir, readFile, writeFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import type { Board } from "../config/model.ts";
import type { Toolbox } from "../core/toolbox.ts";
import type { Step, StepOutput } from "../pipeline/step.ts";
import { licencesOf } from "./copyright.ts";
import { parseStatus, type InstalledPackage } from "./dpkg-status.ts";
import { pythonModules } from "./python-modules.ts";
import { indexTree, openTree, type OpenTree } from "./tree-index.ts";

/** What the tree needs of a file system: `content.json`. */
export interface TreeSize {
  /** Bytes of all files. */
  readonly bytes: number;
  /** Files, folders and links. */
  readonly entries: number;
}

/** What {@link extractContent} reads, and where it writes. */
export interface ContentOptions {
  readonly tar: string;
  readonly outDir: string;
  /** Device trees that must be there, below the kernel package's folder of them. */
  readonly deviceTrees: readonly string[];
  /** Firmware files that must be there. */
  readonly blobs: readonly string[];
  readonly tools: Toolbox;
  /** The folder of a kernel that was compiled, with `vmlinuz`, `config`, `release` and `dtbs`; null where a package has one. */
  readonly kernelDir: string | null;
  readonly signal: AbortSignal;
}

/** Raised when {@link extractContent} writes something else for the same tar. */
const REVISION = 3;

/**
 * The step that takes out of the packages' tree what other steps ask of it: `index.json` (what the tar holds where, for
 * layering), `packages.json`, `os-release`, `content.json`, `python-modules.json`,
 * `kernel/{vmlinuz,initrd.img,config,release}`, `kernel/dtbs/<vendor>/*.dtb`, `firmware/*`. With a `kernel` that was
 * compiled its files stand for the package's, and there is no initrd.img.
 * Throws RTK_KERNEL_MISSING, RTK_DEVICE_TREE_MISSING, RTK_FIRMWARE_MISSING.
 */
export function contentsStep(
  board: Board,
  packages: StepOutput,
  tools: Toolbox,
  kernel: StepOutput | null = null,
): Step {
  const deviceTrees = board.firmware.family === "raspberrypi" ? board.firmware.deviceTrees : [];
  const blobs = board.firmware.family === "raspberrypi" ? board.firmware.blobs : [];
  return {
    name: "contents",
    title: "Kernel, firmware and file list",
    inputs: {
      revision: REVISION,
      packages: packages.digest,
      tools: tools.digest,
      deviceTrees,
      blobs,
      ...(kernel === null ? {} : { kernel: kernel.digest }),
    },
    run: async (outDir, { signal }) => {
      const tar = join(packages.dir, "packages.tar");
      const kernelDir = kernel === null ? null : join(kernel.dir, "kernel");
      await extractContent({ tar, outDir, deviceTrees, blobs, tools, kernelDir, signal });
    },
  };
}

/** Where raspi-firmware (Debian, non-free-firmware) keeps the boot files of the Raspberry Pi. */
const FIRMWARE_FOLDER = "usr/lib/raspi-firmware/";

/** The firmware's licence: it goes wherever the firmware goes. */
const FIRMWARE_LICENCE = "usr/share/doc/raspi-firmware/copyright";

/** Writes the output of {@link contentsStep} into `outDir`. */
export async function extractContent(options: ContentOptions): Promise<void> {
  const { outDir } = options;
  const tree = await openTree(options.tar);
  try {
    const save = async (path: string, content: string | Buffer): Promise<void> => {
      await mkdir(dirname(join(outDir, path)), { recursive: true });
      await writeFile(join(outDir, path), content);
    };
    const saveJson = async (path: string, value: unknown): Promise<void> => save(path, `${JSON.stringify(value)}\n`);
    await saveJson("index.json", await indexTree(tree));
    await saveJson("packages.json", await installedPackages(tree));
    await save("os-release", await tree.read("usr/lib/os-release"));
    await saveJson("content.json", measure(tree));
    await saveJson("python-modules.json", await pythonModules(tree, options.tools, options.signal));
    if (options.kernelDir === null) await savePackagedKernel(tree, options.deviceTrees, save);
    else await copyKernel(options.kernelDir, join(outDir, "kernel"), { tree, deviceTrees: options.deviceTrees });
    for (const { path, type } of tree.entries) {
      if (!path.startsWith(FIRMWARE_FOLDER) || type === "directory") continue;
      await save(`firmware/${path.slice(FIRMWARE_FOLDER.length)}`, await tree.read(path));
    }
    if (tree.byPath.has(FIRMWARE_LICENCE)) await save("firmware/copyright", await tree.read(FIRMWARE_LICENCE));
    for (const name of options.blobs) {
      if (tree.byPath.has(FIRMWARE_FOLDER + name)) continue;
      throw new RtkitError("RTK_FIRMWARE_MISSING", `no installed package has the firmware file ${name}`, {
        hint: "add raspi-firmware to the board's packages, or mend firmware.blobs in the board's file",
      });
    }
  } finally {
    await tree.close();
  }
}

/** Writes a file below the output's folder. */
type Save = (path: string, content: string | Buffer) => Promise<void>;

async function savePackagedKernel(tree: OpenTree, deviceTrees: readonly string[], save: Save): Promise<void> {
  const release = kernelRelease(tree);
  await save("kernel/release", `${release}\n`);
  for (const [source, name] of [
    [`boot/vmlinuz-${release}`, "vmlinuz"],
    [`boot/initrd.img-${release}`, "initrd.img"],
    [`boot/config-${release}`, "config"],
  ] as const) {
    await save(`kernel/${name}`, await tree.read(source));
  }
  for (const name of deviceTrees) {
    const source = `usr/lib/linux-image-${release}/${name}`;
    if (!tree.byPath.has(source)) throw noDeviceTree(release, name);
    await save(`kernel/dtbs/${name}`, await tree.read(source));
  }
}

async function copyKernel(
  from: string,
  to: string,
  { tree, deviceTrees }: { readonly tree: OpenTree; readonly deviceTrees: readonly string[] },
): Promise<void> {
  const second = packagedKernels(tree);
  if (second.length > 0) {
    throw new RtkitError(
      "RTK_KERNEL_MISSING",
      `an image needs one kernel, the packages have ${second.join(", ")} too`,
      {
        hint: "leave linux-image packages out of image.packages, or remove kernel.source",
      },
    );
  }
  await mkdir(to, { recursive: true });
  const release = (await readFile(join(from, "release"), "utf8")).trim();
  for (const name of ["vmlinuz", "config", "release"]) await cp(join(from, name), join(to, name));
  for (const name of deviceTrees) {
    if (!existsSync(join(from, "dtbs", name))) throw noDeviceTree(release, name);
    await cp(join(from, "dtbs", name), join(to, "dtbs", name));
  }
  const overlays = join(from, "overlays");
  if (existsSync(overlays)) await cp(overlays, join(to, "overlays"), { recursive: true });
}

function noDeviceTree(release: string, name: string): RtkitError {
  return new RtkitError("RTK_DEVICE_TREE_MISSING", `kernel ${release} has no device tree ${name}`, {
    hint: "mend firmware.deviceTrees in the board's file",
  });
}

async function installedPackages(tree: OpenTree): Promise<InstalledPackage[]> {
  const packages: InstalledPackage[] = [];
  for (const installed of parseStatus((await tree.read("var/lib/dpkg/status")).toString("utf8"))) {
    const licences = await licencesOf(tree, installed.name);
    packages.push({ ...installed, ...(licences === undefined ? {} : { licences }) });
  }
  return packages;
}

function measure(tree: OpenTree): TreeSize {
  return {
    bytes: tree.entries.reduce((sum, entry) => sum + (entry.type === "file" ? entry.size : 0), 0),
    entries: tree.entries.length,
  };
}

/** The release of the one kernel in the tree: `6.12.57+deb13-rt-arm64`. */
function kernelRelease(tree: OpenTree): string {
  const kernels = packagedKernels(tree);
  const [kernel] = kernels;
  if (kernel === undefined || kernels.length > 1) {
    const found = kernels.length === 0 ? "none" : kernels.join(", ");
    throw new RtkitError("RTK_KERNEL_MISSING", `an image needs one kernel, the packages have ${found}`, {
      hint: "kernel.package in the board's file names it; leave other linux-image packages out",
    });
  }
  return kernel.slice("vmlinuz-".length);
}

function packagedKernels(tree: OpenTree): string[] {
  return tree.entries.filter(({ path }) => /^boot\/vmlinuz-[^/]+$/.test(path)).map(({ path }) => basename(path));
}
