import { mkdir, symlink } from "node:fs/promises";
import { join } from "node:path";
import type { Architecture } from "../core/architecture.ts";
import { exec } from "../core/exec.ts";
import { MOUNT_POINTS, type Toolchain } from "../core/toolchain.ts";
import type { Step, StepOutput } from "../pipeline/step.ts";
import type { Sources } from "./downloads.ts";
import type { LockedPackage } from "./lock.ts";
import { namespace } from "./namespace.ts";
import { EXTRACT_SCRIPT, unpackPackages } from "./tools-tree.ts";

/** GNU's name of an architecture, and of Debian's packages for it. */
const TRIPLETS: Readonly<Record<Architecture, { readonly gnu: string; readonly package: string }>> = {
  amd64: { gnu: "x86_64-linux-gnu", package: "x86-64-linux-gnu" },
  arm64: { gnu: "aarch64-linux-gnu", package: "aarch64-linux-gnu" },
};

/** What compiles a kernel besides Debian's essential packages (Documentation/process/changes.rst). */
const PACKAGES: readonly string[] = [
  "bc",
  "bison",
  // What was compiled once is not compiled again, in whatever folder.
  "ccache",
  "flex",
  // Also for programs that the kernel's build runs itself.
  "gcc",
  // depmod.
  "kmod",
  "libc6-dev",
  // objtool, which looks over every x86 object.
  "libelf-dev",
  // Signatures of modules, for projects that ask for them.
  "libssl-dev",
  "make",
  "patch",
  // Reads Kconfig files, see src/kernel/explain.py.
  "python3-kconfiglib",
  "rsync",
  "xz-utils",
];

/** Debian packages that compile a kernel for `target` on a host. */
export function toolchainPackages(host: Architecture, target: Architecture): readonly string[] {
  return host === target ? PACKAGES : [...PACKAGES, `gcc-${TRIPLETS[target].package}`];
}

/** What compiling C does not need: half of the tree. */
const EXCLUDED = [
  "./dev",
  "./usr/share/doc",
  "./usr/share/i18n",
  "./usr/share/info",
  "./usr/share/locale",
  "./usr/share/man",
  "./usr/share/zoneinfo",
  "./usr/lib/systemd",
  "./var",
  "*/lto-dump*",
  "*-lto-dump*",
  "*/lto1",
  "*/libasan*",
  "*/libhwasan*",
  "*/liblsan*",
  "*/libtsan*",
  "*/libubsan*",
];

/** Packages' own scripts did not run: the one link of theirs that kernels need. */
const AWK = { link: "usr/bin/awk", target: "mawk" };

/** The step that makes a toolchain's tree: `tree/`. */
export function toolchainStep(packages: readonly LockedPackage[], sources: Sources): Step {
  return {
    name: "toolchain",
    title: "Compilers",
    inputs: {
      packages: packages.map(({ sha256 }) => sha256),
      excluded: EXCLUDED,
      script: EXTRACT_SCRIPT,
      mountPoints: [...MOUNT_POINTS],
      awk: AWK,
    },
    run: async (outDir, step) => {
      const tree = join(outDir, "tree");
      await mkdir(tree);
      await unpackPackages(step, tree, { packages, sources, excluded: EXCLUDED });
      for (const point of ["/dev", ...MOUNT_POINTS]) await mkdir(join(tree, point), { recursive: true });
      await symlink(AWK.target, join(tree, AWK.link));
    },
  };
}

/**
 * Goes into the tree "$1": "$2" and "$3" are a folder and where it appears, "$4" is how, and so on until "--". A mount that
 * cannot be made read-only (a container's flags are locked) stays as it is.
 */
const ENTER_SCRIPT = [
  "set -eu",
  "tree=$1",
  "shift",
  'mount --bind "$tree" "$tree"',
  'while [ "$1" != -- ]; do',
  '  mount --bind "$1" "$tree$2"',
  '  [ "$3" != ro ] || mount -o remount,bind,ro "$tree$2" 2>/dev/null || :',
  "  shift 3",
  "done",
  "shift",
  // Where a container hides parts of /proc, only its own can be had.
  'mount -t proc proc "$tree/proc" 2>/dev/null || mount --rbind /proc "$tree/proc"',
  'mount --rbind /dev "$tree/dev"',
  'mount -t tmpfs tmpfs "$tree/tmp"',
  'mount -o remount,bind,ro "$tree" 2>/dev/null || :',
  'exec chroot "$tree" "$@"',
].join("\n");

/** The compilers of a tree that {@link toolchainStep} made for a host of `host`. */
export function openToolchain(output: Pick<StepOutput, "dir">, host: Architecture, target: Architecture): Toolchain {
  const tree = join(output.dir, "tree");
  return {
    prefix: host === target ? "" : `${TRIPLETS[target].gnu}-`,
    run: async (command, { mounts, env, ...options }) => {
      const places = mounts.flatMap(({ from, to, readOnly }) => [from, to, readOnly === true ? "ro" : "rw"]);
      const variables = { PATH: "/usr/sbin:/usr/bin", HOME: "/tmp", LC_ALL: "C.UTF-8", TZ: "UTC", ...env };
      const words = Object.entries(variables).flatMap(([name, value]) =>
        value === undefined ? [] : [`${name}=${value}`],
      );
      const inside = ["env", "--ignore-environment", ...words, ...command];
      const { file, args } = namespace(["sh", "-c", ENTER_SCRIPT, "sh", tree, ...places, "--", ...inside]);
      return exec(file, args, { ...options, killSignal: "SIGKILL", installHint: "run: sudo apt-get install uidmap" });
    },
  };
}
