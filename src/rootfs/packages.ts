import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { digestOf, type Json } from "../pipeline/digest.ts";
import type { Step, StepContext, StepOutput } from "../pipeline/step.ts";
import { download, type Sources } from "./downloads.ts";
import { checkHost } from "./host-check.ts";
import { sourceDateEpoch } from "./source-date.ts";
import { type BoardLock, type LockedPackage } from "./lock.ts";
import { bootstrap } from "./mmdebstrap.ts";
import { foreignInputs, howForeignRuns, NATIVE_FUNCTIONS, prepareNative } from "./native.ts";
import { followProgress } from "./progress.ts";
import { makeRepository } from "./repository.ts";

/** What the steps of this file are made from besides the lock. */
export interface PackagesOptions {
  readonly lock: BoardLock;
  readonly sources: Sources;
  /** sysusers.d(5) lines of all overlays, from {@link ./overlay.ts sysusersLines}. */
  readonly sysusers: string;
  /** Run the board's own programs under qemu-user, also where native ones could do it. */
  readonly emulate: boolean;
}

/** The tools tree, which may still be in the making when packages are downloaded. */
export interface ToolsInTheMaking {
  /** The step that makes it. */
  readonly makeTools: Step;
  /** Its folder, when it is there, see {@link ./tools-tree.ts toolsTree}. */
  readonly tree: () => Promise<string>;
}

/** dpkg leaves these out, on the board too: nobody reads manuals there. Licences stay. */
const LEAN = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/lintian/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
];

/** mmdebstrap copies them from the host, where packages' scripts find them and keep what they say. */
const FORGET_HOST = 'rm -f "$1/etc/resolv.conf" "$1/etc/hostname"';

/** Runs before anything is unpacked. */
const SETUP_HOOK = ["set -eu", FORGET_HOST, NATIVE_FUNCTIONS, 'native_up "$1"'].join("\n");

/**
 * Runs when the essential packages are unpacked, by tar, and not configured. dpkg's settings come only now: mmdebstrap
 * would filter each package with a program that takes longer than unpacking it and removing the rest here.
 */
const EXTRACT_HOOK = [
  "set -eu",
  'cd "$1"',
  `cat >etc/dpkg/dpkg.cfg.d/lean <<'END'\n${LEAN.join("\n")}\nEND`,
  "for folder in man info locale lintian; do",
  '  [ ! -d "usr/share/$folder" ] || find "usr/share/$folder" -mindepth 1 -delete',
  "done",
  // update-alternatives fails where it is to link a manual that a package has elsewhere (openjdk).
  "for section in 1 2 3 4 5 6 7 8 9; do mkdir -p usr/share/man/man$section; done",
  "find usr/share/doc ! -type d ! -name copyright -delete",
  "find usr/share/doc -mindepth 1 -type d -empty -delete",
].join("\n");

/** Empty host keys keep openssh-server from making real ones, which would be thrown away. */
const ESSENTIAL_HOOK = [
  "set -eu",
  'mkdir -p "$1/etc/ssh"',
  "for kind in rsa ecdsa ed25519; do",
  '  : >"$1/etc/ssh/ssh_host_${kind}_key"',
  "done",
].join("\n");

/**
 * The kernel's own script was told to make no initramfs, and so the packages' triggers had none to update: it is made
 * once, when everything is configured. When the project's packages come, there is one for triggers to update.
 */
const INITRAMFS_HOOK = 'chroot "$1" update-initramfs -c -k all';

/**
 * Runs when everything is configured: makes the overlays' users and removes what belongs to this build or to one board
 * only. `$1` is the tree.
 */
const CUSTOMIZE_HOOK = [
  "set -eu",
  NATIVE_FUNCTIONS,
  'chroot "$1" systemd-sysusers - <"$RTKIT_SYSUSERS"',
  'native_down "$1"',
  'cd "$1"',
  // Identity and secrets: each board makes its own.
  "rm -f etc/ssh/ssh_host_* etc/hostname var/lib/systemd/random-seed var/lib/systemd/credential.secret",
  // What names the build: mirrors, mmdebstrap's settings. Generated files take their place.
  "rm -f etc/apt/sources.list etc/apt/apt.conf.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/fstab etc/hosts",
  // Caches, logs and backups that depend on the order and time of the build.
  "rm -f etc/passwd- etc/group- etc/shadow- etc/gshadow- etc/subuid- etc/subgid- etc/.pwd.lock",
  "rm -f var/cache/apt/*.bin var/cache/debconf/*-old var/lib/dpkg/*-old var/cache/ldconfig/aux-cache",
  "find var/log -type f -delete",
  // Made for the boot partition, which is mounted over it.
  "find boot/firmware -mindepth 1 -delete 2>/dev/null || true",
  // Users, library cache and hardware database are up to date: ConditionNeedsUpdate= (systemd.unit(5)) compares the
  // times of these two with that of /usr, which is never later.
  "for file in etc/.updated var/.updated; do",
  '  printf "TIMESTAMP_NSEC=%s000000000\\n" "$SOURCE_DATE_EPOCH" >"$file"',
  '  touch --date="@$SOURCE_DATE_EPOCH" "$file"',
  "done",
].join("\n");

/** Options of both runs of mmdebstrap. */
const APT_OPTIONS = [
  // A build that is cut off is thrown away whole, so nothing needs to be on the disk before the end.
  "--dpkgopt=force-unsafe-io",
  '--aptopt=APT::Install-Recommends "false"',
  // Nobody is there to be asked questions, and collecting them takes long.
  "--aptopt=#clear DPkg::Pre-Install-Pkgs",
];

/** Puts the tree of the base system in place of unpacking packages. /dev is mmdebstrap's own business. */
const UNPACK_BASE_HOOK = [
  "set -eu",
  FORGET_HOST,
  'tar --extract --file "$RTKIT_BASE" --directory "$1" --numeric-owner --xattrs --xattrs-include="*" --exclude="./dev/*"',
  NATIVE_FUNCTIONS,
  'native_up "$1"',
].join("\n");

/** apt works on the tree from outside, as mmdebstrap has it do for the base system; see run_install() there. */
const ADD_PACKAGES_HOOK = [
  "set -eu",
  'APT_CONFIG="$MMDEBSTRAP_APT_CONFIG" apt-get --yes -o Dir::Bin::dpkg=env -o DPkg::Options::=--unset=TMPDIR \\',
  '  -o DPkg::Options::=dpkg -o "DPkg::Chroot-Directory=$1" install -- $RTKIT_WANTED',
].join("\n");

/**
 * Installs everything: the base system, then what the project adds to it. `run` runs a step or finds its output. Returns
 * the output that has the whole tree as `packages.tar`.
 */
export async function installPackages(
  options: PackagesOptions,
  { makeTools, tree, run }: ToolsInTheMaking & { readonly run: (step: Step) => Promise<StepOutput> },
): Promise<StepOutput> {
  const base = await run(await baseStep(options, makeTools, tree));
  return options.lock.project.packages.length === 0
    ? base
    : run(await projectPackagesStep(options, makeTools, tree, base));
}

/**
 * The step that installs what every image of the board has: the slow one. Its output is `packages.tar`, the tree, clean.
 * Throws RTK_PACKAGES_FAILED and what {@link download} throws.
 */
export async function baseStep(
  options: PackagesOptions,
  makeTools: Step,
  tree: () => Promise<string> = neverMade,
): Promise<Step> {
  const { lock } = options;
  const mmdebstrap = [
    "--variant=apt",
    `--include=${lock.base.wanted.join(",")}`,
    ...APT_OPTIONS,
    `--setup-hook=${SETUP_HOOK}`,
    `--extract-hook=${EXTRACT_HOOK}`,
    `--essential-hook=${ESSENTIAL_HOOK}`,
    ...(lock.base.wanted.includes("initramfs-tools") ? [`--customize-hook=${INITRAMFS_HOOK}`] : []),
    `--customize-hook=${CUSTOMIZE_HOOK}`,
  ];
  return {
    name: "packages",
    title: `Debian packages (${lock.suite}, ${lock.architecture})`,
    shared: true,
    inputs: await inputsOf(options, makeTools, lock.base.packages, mmdebstrap),
    run: async (outDir, step) => {
      await install(outDir, step, options, tree, { packages: lock.base.packages, mmdebstrap, env: {} });
    },
  };
}

/**
 * The step that adds the project's own packages to the base system, so that another one does not install everything
 * again. Always done in these two steps, so that the order in which a project grew decides nothing.
 */
async function projectPackagesStep(
  options: PackagesOptions,
  makeTools: Step,
  tree: () => Promise<string>,
  base: StepOutput,
): Promise<Step> {
  const { lock } = options;
  const { wanted, packages } = lock.project;
  const mmdebstrap = [
    "--variant=custom",
    ...APT_OPTIONS,
    `--setup-hook=${UNPACK_BASE_HOOK}`,
    `--essential-hook=${ESSENTIAL_HOOK}`,
    `--customize-hook=${ADD_PACKAGES_HOOK}`,
    `--customize-hook=${CUSTOMIZE_HOOK}`,
  ];
  return {
    name: "project-packages",
    title: `The project's packages (${wanted.join(", ")})`,
    inputs: { ...(await inputsOf(options, makeTools, packages, mmdebstrap)), wanted, base: base.digest },
    run: async (outDir, step) => {
      // The base system may have come from the cache, where nobody asked what this host can do.
      await checkHost(lock.architecture, step.cacheDir, step.signal);
      const env = { RTKIT_BASE: join(base.dir, "packages.tar"), RTKIT_WANTED: wanted.join(" ") };
      await install(outDir, step, options, tree, { packages, mmdebstrap, env });
    },
  };
}

async function inputsOf(
  { lock, sysusers, emulate }: PackagesOptions,
  makeTools: Step,
  packages: readonly LockedPackage[],
  mmdebstrap: readonly string[],
): Promise<{ readonly [key: string]: Json }> {
  return {
    suite: lock.suite,
    architecture: lock.architecture,
    packages: packages.map(({ sha256 }) => sha256),
    sourceDateEpoch: sourceDateEpoch(lock),
    mmdebstrap,
    sysusers,
    programs: await foreignInputs(lock.architecture, emulate, digestOf(makeTools.inputs)),
  };
}

async function install(
  outDir: string,
  step: StepContext,
  { lock, sources, sysusers, emulate }: PackagesOptions,
  tree: () => Promise<string>,
  job: {
    readonly packages: readonly LockedPackage[];
    readonly mmdebstrap: readonly string[];
    readonly env: Readonly<Record<string, string>>;
  },
): Promise<void> {
  const { suite, architecture } = lock;
  const scratch = join(outDir, "scratch");
  const repository = join(outDir, "repository");
  const users = join(outDir, "sysusers.conf");
  await mkdir(scratch);
  await writeFile(users, sysusers);
  const files = await download(step, job.packages, sources);
  const packages = job.packages.flatMap((locked, index) => {
    const file = files[index];
    return file === undefined ? [] : [{ locked, file }];
  });
  const foreign = await howForeignRuns(step, architecture, emulate);
  const dispatch = join(outDir, "dispatch");
  await mkdir(dispatch);
  try {
    const native =
      foreign.kind === "dispatched"
        ? await prepareNative(dispatch, { qemu: foreign.qemu, toolsTree: await tree(), target: architecture })
        : {};
    await bootstrap({
      suite,
      architecture,
      sources: await makeRepository(repository, { suite, architecture, packages, signal: step.signal }),
      foreign,
      options: job.mmdebstrap,
      tar: join(outDir, "packages.tar"),
      scratch,
      sourceDateEpoch: sourceDateEpoch(lock),
      env: { ...native, ...job.env, RTKIT_SYSUSERS: users },
      onLine: followProgress(step.progress),
      signal: step.signal,
    });
  } finally {
    await rm(users, { force: true });
    for (const folder of [scratch, repository, dispatch]) await rm(folder, { recursive: true, force: true });
  }
}

/** For a step that is only looked up. */
async function neverMade(): Promise<string> {
  throw new Error("there is no tools tree to install packages with");
}
