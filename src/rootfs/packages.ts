import { mkdir, rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import type { Project } from "../config/model.ts";
import { digestOf } from "../pipeline/digest.ts";
import type { Step } from "../pipeline/step.ts";
import { foreignPrograms, gatherForeign } from "./foreign.ts";
import { bootstrap } from "./mmdebstrap.ts";
import type { DebianMirror } from "./mirror.ts";
import { imagePackages } from "./package-list.ts";
import { followProgress } from "./progress.ts";

/** What {@link packagesStep} is made from besides the project. */
export interface PackagesOptions {
  readonly mirror: DebianMirror;
  /** sysusers.d(5) lines of all overlays, from {@link ./overlay.ts sysusersLines}. */
  readonly sysusers: string;
}

/** Empty host keys keep openssh-server from making real ones, which takes long in emulation and would be thrown away. */
const ESSENTIAL_HOOK = [
  "set -eu",
  'mkdir -p "$1/etc/ssh"',
  "for kind in rsa ecdsa ed25519; do",
  '  : >"$1/etc/ssh/ssh_host_${kind}_key"',
  "done",
].join("\n");

/**
 * Runs when everything is configured: makes the overlays' users and removes what belongs to this build or to one board
 * only. `$1` is the tree.
 */
const CUSTOMIZE_HOOK = [
  "set -eu",
  'chroot "$1" systemd-sysusers - <"$RTKIT_SYSUSERS"',
  'cd "$1"',
  // Identity and secrets: each board makes its own.
  "rm -f etc/ssh/ssh_host_* etc/hostname var/lib/systemd/random-seed var/lib/systemd/credential.secret",
  // What names the build: mirrors, mmdebstrap's settings. Generated files take their place.
  "rm -f etc/apt/sources.list etc/apt/apt.conf.d/99mmdebstrap etc/fstab etc/hosts",
  "mv etc/dpkg/dpkg.cfg.d/99mmdebstrap etc/dpkg/dpkg.cfg.d/lean",
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

/** dpkg leaves these out, on the board too: nobody reads manuals there. Licences stay. */
const LEAN = [
  "path-exclude=/usr/share/man/*",
  "path-exclude=/usr/share/info/*",
  "path-exclude=/usr/share/locale/*",
  "path-exclude=/usr/share/lintian/*",
  "path-exclude=/usr/share/doc/*",
  "path-include=/usr/share/doc/*/copyright",
];

/**
 * The step that installs Debian's packages: the slow one. Its output is `packages.tar`, the tree, clean.
 * Throws RTK_HOST_FOREIGN, RTK_PACKAGE_UNKNOWN, RTK_MIRROR_UNREACHABLE, RTK_PACKAGES_FAILED.
 */
export function packagesStep(project: Project, { mirror, sysusers }: PackagesOptions): Step {
  const { suite, architecture } = project.board;
  const options = [
    "--variant=apt",
    `--include=${imagePackages(project).join(",")}`,
    '--aptopt=APT::Install-Recommends "false"',
    // Nobody is there to be asked questions, and collecting them takes a minute of emulation.
    "--aptopt=#clear DPkg::Pre-Install-Pkgs",
    ...LEAN.map((line) => `--dpkgopt=${line}`),
    `--essential-hook=${ESSENTIAL_HOOK}`,
    `--customize-hook=${CUSTOMIZE_HOOK}`,
  ];
  return {
    name: "packages",
    title: `Debian packages (${suite}, ${architecture})`,
    shared: true,
    inputs: {
      suite,
      architecture,
      mirror: digestOf({ archive: mirror.archive, security: mirror.security }),
      options,
      sysusers,
    },
    run: async (outDir, step) => {
      const foreign = foreignPrograms(await gatherForeign(architecture, step.signal));
      if (foreign instanceof RtkitError) throw foreign;
      const scratch = join(outDir, "scratch");
      const tar = join(outDir, "packages.tar");
      await mkdir(scratch);
      try {
        const users = join(outDir, "sysusers.conf");
        await writeFile(users, sysusers);
        await bootstrap({
          suite,
          architecture,
          mirror,
          foreign,
          options,
          tar,
          scratch,
          env: { RTKIT_SYSUSERS: users },
          onLine: followProgress(step.progress),
          signal: step.signal,
        });
        await rm(users);
      } finally {
        await rm(scratch, { recursive: true, force: true });
      }
    },
  };
}
