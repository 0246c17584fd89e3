import { existsSync } from "node:fs";
import { mkdir, rm } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { digestOf } from "../pipeline/digest.ts";
import type { Step, StepOutput } from "../pipeline/step.ts";
import { hostArchitecture, type Architecture } from "../core/architecture.ts";
import { bootstrap } from "./mmdebstrap.ts";
import type { DebianMirror } from "./mirror.ts";
import { followProgress } from "./progress.ts";

/** Debian packages whose programs builds call; apt adds what they need. */
const TOOL_PACKAGES = [
  // mkfs.vfat.
  "dosfstools",
  // mke2fs, e2fsck.
  "e2fsprogs",
  // sfdisk.
  "fdisk",
  // mke2fs loads it to read a root file system from a tar.
  "libarchive13t64",
  // mcopy, mmd: files into a FAT file system without mounting it.
  "mtools",
  // Analyses nodes with the target's own Python version.
  "python3",
  "zstd",
];

/** Where programs are; nothing made the links /bin and /sbin of the merged /usr. */
const PROGRAM_FOLDERS = ["usr/sbin", "usr/bin"];

/** What tools do not need to run; it would be hashed for nothing. */
const EXCLUDED = ["./dev", "./tmp", "./usr/share", "./var", "./usr/lib/systemd", "./usr/lib/udev", "./usr/include"];

/** The dynamic loader of an architecture, and the folder of it and its libraries below usr/lib (Debian policy, multiarch). */
const LOADERS: Readonly<Record<Architecture, { readonly loader: string; readonly triplet: string }>> = {
  amd64: { loader: "ld-linux-x86-64.so.2", triplet: "x86_64-linux-gnu" },
  arm64: { loader: "ld-linux-aarch64.so.1", triplet: "aarch64-linux-gnu" },
};

/** The step that makes the tools tree: the host's architecture, the target's suite, unpacked and never configured. */
export function toolsStep(suite: string, mirror: DebianMirror): Step {
  const architecture = requireHostArchitecture();
  const options = ["--variant=extract", `--include=${TOOL_PACKAGES.join(",")}`];
  return {
    name: "tools",
    title: `Build tools (${suite}, ${architecture})`,
    shared: true,
    inputs: {
      suite,
      architecture,
      mirror: digestOf({ archive: mirror.archive, security: mirror.security }),
      options,
      excluded: EXCLUDED,
    },
    run: async (outDir, step) => {
      const scratch = join(outDir, "scratch");
      const tree = join(outDir, "tree");
      await mkdir(scratch);
      await mkdir(tree);
      const tar = join(outDir, "tools.tar");
      await bootstrap({
        suite,
        architecture,
        mirror,
        foreign: { kind: "native" },
        options,
        tar,
        scratch,
        onLine: followProgress(step.progress),
        signal: step.signal,
      });
      await exec(
        "tar",
        [
          "--extract",
          "--file",
          tar,
          "--directory",
          tree,
          "--no-same-owner",
          "--no-same-permissions",
          ...EXCLUDED.map((path) => `--exclude=${path}`),
        ],
        { signal: step.signal },
      );
      await rm(tar);
      await rm(scratch, { recursive: true });
    },
  };
}

/**
 * The tools of a tree that {@link toolsStep} made. A tool runs through the tree's own loader with the tree's own
 * libraries, so the host's C library does not matter and no namespace is needed. `python3` runs isolated (`-I`: no
 * site of the host or the user, no PYTHON* variables) and writes no bytecode.
 */
export function openTools(output: StepOutput): Toolbox {
  const tree = join(output.dir, "tree");
  const { loader, triplet } = LOADERS[requireHostArchitecture()];
  const libraries = [`usr/lib/${triplet}`, "usr/lib"].map((folder) => join(tree, folder)).join(":");
  return {
    digest: output.digest,
    run: async (tool, args, options = {}) => {
      const program = PROGRAM_FOLDERS.map((folder) => join(tree, folder, tool)).find((path) => existsSync(path));
      if (program === undefined) throw new Error(`the tools tree has no ${tool}`);
      const own = tool === "python3" ? ["-I", "-B"] : [];
      // python3 finds its library beside the program that argv[0] names, so that is the full path.
      const launch = ["--argv0", program, "--inhibit-cache", "--library-path", libraries, program, ...own, ...args];
      return exec(join(tree, "usr/lib", triplet, loader), launch, {
        ...options,
        env: {
          LC_ALL: "C.UTF-8",
          MKE2FS_CONFIG: join(tree, "etc/mke2fs.conf"),
          // mtools converts file names with iconv, whose modules are loaded from here.
          GCONV_PATH: join(tree, `usr/lib/${triplet}/gconv`),
          MTOOLSRC: "/dev/null",
          LD_PRELOAD: undefined,
          LD_LIBRARY_PATH: undefined,
          ...options.env,
        },
      });
    },
  };
}

function requireHostArchitecture(): Architecture {
  const architecture = hostArchitecture();
  if (architecture !== undefined) return architecture;
  throw new RtkitError("RTK_HOST_ARCHITECTURE", `builds need a 64-bit x86 or ARM machine, this is ${process.arch}`, {
    hint: "build on another machine",
  });
}
