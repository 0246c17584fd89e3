import type { Project, Signer } from "../config/model.ts";
import type { Layer, LayerEntry } from "./layer.ts";
import { resolvedAnnouncement } from "./announcement.ts";
import { COMPONENTS } from "./apt.ts";
import { DEFAULT_MIRROR } from "./mirror.ts";

/** A partition as /etc/fstab needs it. */
export interface MountedPartition {
  readonly name: string;
  /** Where it is mounted; null leaves it out. */
  readonly mount: string | null;
  readonly filesystem: "fat32" | "ext4";
  /** As blkid prints it: `1234abcd-02` on MBR, a UUID on GPT. */
  readonly partuuid: string;
  /** Whether its file system grows with the partition. */
  readonly grow: boolean;
}

/** What {@link generatedLayer} needs besides the project. */
export interface GeneratedFacts {
  readonly partitions: readonly MountedPartition[];
  /** Words of the kernel command line without root= and console=: kept for kernels that are installed on the board. */
  readonly cmdline: readonly string[];
}

/** The top layer: files that follow from the project and from the layout of its card. Pure. */
export function generatedLayer(project: Project, { partitions, cmdline }: GeneratedFacts): Layer {
  const { hostname, authorizedKeys, signers } = project.image;
  const where = { file: project.file };
  const text = (path: string, content: string): LayerEntry => ({
    path,
    content: { kind: "text", text: content },
    mode: 0o644,
    owner: "root",
    group: "root",
    where,
  });
  const robot = { owner: "robot", group: "robot", where };
  const raspberry = project.board.firmware.family === "raspberrypi";
  const entries: LayerEntry[] = [
    text("etc/apt/sources.list.d/debian.sources", imageSources(project.board.suite)),
    // systemd starts the clock of a board that has none at this file's time (systemd(1)), which is the image's own.
    text("usr/lib/clock-epoch", ""),
    text("usr/lib/systemd/dnssd/rtkit.dnssd", resolvedAnnouncement(project.board.name)),
    text("etc/fstab", fstab(partitions)),
    text("etc/hostname", `${hostname}\n`),
    text("etc/hosts", hosts(hostname)),
    ...mountPoints(partitions).map((path): LayerEntry => ({
      path,
      content: { kind: "directory", declared: false },
      mode: 0o755,
      owner: "root",
      group: "root",
      where,
    })),
    ...(raspberry ? raspberryDefaults(project, partitions, cmdline).map(([path, content]) => text(path, content)) : []),
    ...(signers.length === 0 ? [] : [text("etc/rtnode/allowed_signers", allowedSigners(signers))]),
    { ...robot, path: "home/robot/.ssh", content: { kind: "directory", declared: true }, mode: 0o700 },
    {
      ...robot,
      path: "home/robot/.ssh/authorized_keys",
      content: { kind: "text", text: authorizedKeys.map((line) => `${line}\n`).join("") },
      mode: 0o600,
    },
  ];
  return {
    name: "the files rtkit generates",
    entries: entries.toSorted((a, b) => (a.path < b.path ? -1 : 1)),
    replaces: new Map(raspberry ? [["etc/default/raspi-firmware", where]] : []),
    generated: true,
  };
}

/**
 * /etc/fstab (fstab(5), systemd.mount(5)). noatime: reading writes nothing to the card. The growing file system
 * follows its partition at mount time. Only root holds programs that may change their user.
 */
function fstab(partitions: readonly MountedPartition[]): string {
  const lines = partitions.flatMap(({ mount, filesystem, partuuid, grow }) => {
    if (mount === null) return [];
    const isRoot = mount === "/";
    const options = [
      ...(filesystem === "fat32" ? ["umask=0077"] : []),
      "noatime",
      ...(isRoot ? ["errors=remount-ro"] : ["nosuid", "nodev"]),
      ...(grow ? ["x-systemd.growfs"] : []),
      // systemd's emergency shell is a dead end where nobody has a password: with a broken boot partition the robot
      // starts all the same, with a broken data partition ssh does. Who needs a partition waits for it by itself.
      ...(isRoot ? [] : ["nofail"]),
    ];
    const type = filesystem === "fat32" ? "vfat" : filesystem;
    return [`PARTUUID=${partuuid} ${mount} ${type} ${options.join(",")} 0 ${isRoot ? 1 : 2}`];
  });
  return ["# <file system> <mount point> <type> <options> <dump> <pass>", ...lines, ""].join("\n");
}

/**
 * Who may sign releases, for record.sh (ssh-keygen(1), ALLOWED SIGNERS): all of them by the same name, and nothing but
 * releases.
 */
function allowedSigners(signers: readonly Signer[]): string {
  return signers.map(({ key }) => `release namespaces="rtkit-release" ${key}\n`).join("");
}

function hosts(hostname: string): string {
  return [
    "127.0.0.1 localhost",
    // Debian reference 5.1.1: the name of a machine without a fixed address.
    `127.0.1.1 ${hostname}`,
    "::1 localhost ip6-localhost ip6-loopback",
    "ff02::1 ip6-allnodes",
    "ff02::2 ip6-allrouters",
    "",
  ].join("\n");
}

/** The image's own sources, deb822 style: always Debian's default mirror, whatever the build used. */
function imageSources(suite: string): string {
  return [
    ...sourceStanza(DEFAULT_MIRROR.archive, `${suite} ${suite}-updates`),
    ...sourceStanza(DEFAULT_MIRROR.security, `${suite}-security`),
  ].join("\n");
}

function sourceStanza(uri: string, suites: string): string[] {
  return [
    "Types: deb",
    `URIs: ${uri}`,
    `Suites: ${suites}`,
    `Components: ${COMPONENTS}`,
    "Signed-By: /usr/share/keyrings/debian-archive-keyring.gpg",
    "",
  ];
}

/**
 * Settings of Debian's raspi-firmware, whose kernel hook rewrites config.txt and cmdline.txt whenever a kernel is
 * installed on the board (/etc/kernel/postinst.d/z50-raspi-firmware): with these it writes what the image has.
 */
function raspberryDefaults(
  { board }: Project,
  partitions: readonly MountedPartition[],
  cmdline: readonly string[],
): [string, string][] {
  const root = partitions.find(({ mount }) => mount === "/");
  const config = board.firmware.family === "raspberrypi" ? board.firmware.config : [];
  return [
    [
      "etc/default/raspi-firmware",
      [
        "# Read by /etc/kernel/postinst.d/z50-raspi-firmware when a kernel is installed.",
        // The device tree says how much; the hook's own default does not boot a Raspberry Pi 4.
        "CMA=0",
        `CONSOLES="${board.consoles.join(" ")}"`,
        ...(root === undefined ? [] : [`ROOTPART="PARTUUID=${root.partuuid}"`]),
        "",
      ].join("\n"),
    ],
    ["etc/default/raspi-extra-cmdline", `${cmdline.join(" ")}\n`],
    ["etc/default/raspi-firmware-custom", config.map((line) => `${line}\n`).join("")],
  ];
}

function mountPoints(partitions: readonly MountedPartition[]): string[] {
  return partitions.flatMap(({ mount }) => (mount === null || mount === "/" ? [] : [mount.slice(1)]));
}
