import type { Project, Runtime } from "../config/model.ts";

/** What every image holds besides Debian's essential packages. Recommends are off, so the list is whole. */
const BASE_PACKAGES: Readonly<Record<string, string>> = {
  apt: "install or update a package on the board",
  "ca-certificates": "whom TLS connections of Python and of tools trust",
  dbus: "systemctl and the systemd services talk over it",
  dosfstools: "checks the boot partition at boot",
  e2fsprogs: "checks root and data partition at boot",
  fdisk: "sfdisk: grows the data partition at first boot",
  "initramfs-tools": "kernel modules that mount the root file system",
  iproute2: "ip: look at the network",
  "iputils-ping": "ping: the first question when a link is down",
  kmod: "loads kernel modules",
  login: "console login, for a project that sets a password",
  netbase: "/etc/services and /etc/protocols, which getservbyname(3) reads",
  "openssh-server": "the way in, and what deploy uses",
  procps: "sysctl, ps and top: see what runs with which priority",
  sudo: "lets the board's user run rtnodectl",
  systemd: "supervision, journal, watchdog",
  "systemd-resolved": "name service, and the board's own name over mDNS",
  "systemd-sysv": "makes systemd /sbin/init",
  "systemd-timesyncd": "boards without a clock chip start in the past",
  udev: "device names and permissions",
  zstd: "compresses the initramfs",
};

/** Debian packages that run a node, by its runtime. */
const RUNTIME_PACKAGES: Readonly<Record<Runtime, readonly string[]>> = {
  python: ["python3"],
  typescript: ["nodejs"],
  native: [],
};

/** All packages of a project's image by name, sorted, each once. */
export function imagePackages(project: Project): string[] {
  const names = [
    ...Object.keys(BASE_PACKAGES),
    ...project.board.packages,
    project.board.kernel.package,
    ...project.nodes.flatMap((node) => RUNTIME_PACKAGES[node.runtime]),
    ...project.image.packages,
  ];
  return [...new Set(names)].toSorted();
}
