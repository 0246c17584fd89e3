import { existsSync } from "node:fs";
import { mkdir } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import type { Toolbox } from "../core/toolbox.ts";
import type { Step, StepContext, StepOutput } from "../pipeline/step.ts";
import { hostArchitecture, type Architecture } from "../core/architecture.ts";
import { download, type Sources } from "./downloads.ts";
import type { LockedPackage } from "./lock.ts";

/** What the tools tree holds besides Debian's essential packages, which have the shell and what scripts live on. */
export const TOOL_PACKAGES: readonly string[] = [
  // What makes and reads images:
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
  // Analyses nodes with the target's own Python version; compiles the target's modules.
  "python3",
  "zstd",
  // What maintainer scripts call, so that it runs as its native twin (dispatch/dispatch.c):
  // The initramfs's archive.
  "cpio",
  // Copies kernel modules into the initramfs.
  "dracut-install",
  // dbus-uuidgen.
  "dbus-bin",
  // depmod, modprobe.
  "kmod",
  // Compiles schemas and lists of modules.
  "libglib2.0-bin",
  // ca-certificates makes its links with it.
  "openssl",
  // useradd, groupadd.
  "passwd",
  // systemctl, systemd-sysusers, systemd-tmpfiles.
  "systemd",
  // systemd-hwdb, udevadm.
  "udev",
  "xz-utils",
];

/** Where programs are; nothing made the links /bin and /sbin of the merged /usr. */
const PROGRAM_FOLDERS = ["usr/sbin", "usr/bin"];

/** What programs do not need to run; it would be hashed for nothing. */
const EXCLUDED = ["./dev", "./tmp", "./usr/share", "./var", "./usr/lib/systemd", "./usr/lib/udev", "./usr/include"];

/**
 * Compiles the library, which takes most of the time of a short program otherwise. The same bytes wherever the tree is, and
 * valid without a look at the sources' times.
 */
const COMPILE_PYTHON = [
  "import compileall, os, py_compile, sys",
  "mode = py_compile.PycInvalidationMode.UNCHECKED_HASH",
  "folder = os.path.dirname(os.__file__)",
  'compileall.compile_dir(folder, stripdir=sys.argv[1], prependdir="/", quiet=1, invalidation_mode=mode)',
].join("\n");

/** For tools that make no file with a time of its own. */
export const NO_TIME = 0;

/** The dynamic loader of an architecture, and the folder of it and its libraries below usr/lib (Debian policy, multiarch). */
const LOADERS: Readonly<Record<Architecture, { readonly loader: string; readonly triplet: string }>> = {
  amd64: { loader: "ld-linux-x86-64.so.2", triplet: "x86_64-linux-gnu" },
  arm64: { loader: "ld-linux-aarch64.so.1", triplet: "aarch64-linux-gnu" },
};

/**
 * Unpacks package files into "$1" with the tar options up to `--`; no script of theirs runs. dpkg-deb's own --extract
 * would put folders in place of base-files' links /bin, /lib and /sbin, so that package comes first, and tar keeps them.
 */
export const EXTRACT_SCRIPT = [
  "set -eu",
  "umask 022",
  "tree=$1",
  // The caller's own umask may have kept others out, and scripts of packages start programs as other users too.
  'chmod 755 "$tree"',
  "shift",
  "excluded=",
  'while [ "$1" != -- ]; do excluded="$excluded --exclude=$1"; shift; done',
  "shift",
  "for deb; do",
  '  dpkg-deb --fsys-tarfile "$deb" | tar --extract --directory "$tree" --keep-directory-symlink --no-same-owner $excluded',
  "done",
].join("\n");

/**
 * The step that makes the tools tree: the host's architecture, the target's suite, unpacked and never configured. Image
 * tools run from it, and the maintainer scripts of a foreign target.
 */
export function toolsStep(packages: readonly LockedPackage[], sources: Sources): Step {
  return {
    name: "tools",
    title: "Build tools",
    shared: true,
    inputs: {
      packages: packages.map(({ sha256 }) => sha256),
      excluded: EXCLUDED,
      script: EXTRACT_SCRIPT,
      compile: COMPILE_PYTHON,
    },
    run: async (outDir, step) => {
      const tree = join(outDir, "tree");
      await mkdir(tree);
      await unpackPackages(step, tree, { packages, sources, excluded: EXCLUDED });
      const tools = openTools({ dir: outDir, digest: "" }, NO_TIME);
      await tools.run("python3", ["-c", COMPILE_PYTHON, tree], { signal: step.signal });
    },
  };
}

/** Unpacks packages into an empty folder but for `excluded` (patterns of tar); no script of theirs runs. */
export async function unpackPackages(
  step: StepContext,
  tree: string,
  options: {
    readonly packages: readonly LockedPackage[];
    readonly sources: Sources;
    readonly excluded: readonly string[];
  },
): Promise<void> {
  const { packages, sources, excluded } = options;
  const files = await download(step, packages, sources);
  step.progress("unpacking");
  const order = [...packages.entries()].toSorted(([, a], [, b]) => unpackRank(a) - unpackRank(b));
  const debs = order.flatMap(([index]) => files[index] ?? []);
  await exec("sh", ["-c", EXTRACT_SCRIPT, "sh", tree, ...excluded, "--", ...debs], { signal: step.signal });
}

function unpackRank({ name }: LockedPackage): number {
  return name === "base-files" ? 0 : 1;
}

/**
 * The tools of a tree that {@link toolsStep} made. A tool runs through the tree's own loader with the tree's own
 * libraries, so the host's C library does not matter and no namespace is needed. `python3` runs isolated (`-I`: no
 * site of the host or the user, no PYTHON* variables) and writes no bytecode.
 */
export function openTools(output: Pick<StepOutput, "dir" | "digest">, sourceDateEpoch: number): Toolbox {
  const tree = toolsTree(output);
  const { loader, triplet } = LOADERS[requireHostArchitecture()];
  const libraries = [`usr/lib/${triplet}`, "usr/lib"].map((folder) => join(tree, folder)).join(":");
  return {
    digest: output.digest,
    sourceDateEpoch,
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
          // mke2fs reads it since 1.47.1, mtools since 4.0.19; FAT keeps local time, so the zone matters too.
          SOURCE_DATE_EPOCH: String(sourceDateEpoch),
          TZ: "UTC",
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

/** The folder of the tools tree in its step's output. */
export function toolsTree(output: Pick<StepOutput, "dir">): string {
  return join(output.dir, "tree");
}

/** This machine's architecture. Throws RTK_HOST_ARCHITECTURE when there are no tools for it. */
export function requireHostArchitecture(): Architecture {
  const architecture = hostArchitecture();
  if (architecture !== undefined) return architecture;
  throw new RtkitError("RTK_HOST_ARCHITECTURE", `builds need a 64-bit x86 or ARM machine, this is ${process.arch}`, {
    hint: "build on another machine",
  });
}
