import type { Toolbox } from "../core/toolbox.ts";
import { parseSysctls } from "../rootfs/settings.ts";
import { readExt4, type Ext4Reader } from "./debugfs.ts";
import { notAnImage } from "./disk-image.ts";
import { inspectImage } from "./inspect.ts";

/** What an image says of its kernel, and of what makes up for its options at run time. */
export interface ImageKernelFacts {
  /** The text of its configuration. */
  readonly config: string;
  readonly sysctls: Readonly<Record<string, string>>;
  /** Words of the kernel command line. */
  readonly cmdline: readonly string[];
  /** Names of units that are enabled. */
  readonly units: readonly string[];
}

const SYSTEMD = "systemd/system";

/** Reads them out of an image. Throws RTK_NOT_AN_IMAGE. */
export async function imageKernelFacts(tools: Toolbox, path: string): Promise<ImageKernelFacts> {
  const { disk, boot, system } = await inspectImage(tools, path);
  const partUuid = /(?:^|\s)root=PARTUUID=(\S+)/.exec(boot.cmdline)?.[1];
  const partition = disk.partitions.find((candidate) => candidate.partUuid === partUuid);
  if (partition === undefined) throw notAnImage(path, "it has no root partition");
  const root = readExt4(tools, path, partition.start);
  const [release] = system.kernelReleases;
  const config = release === undefined ? null : await root.text(`/boot/config-${release}`);
  if (config === null) throw notAnImage(path, "its kernel's configuration is not in /boot");
  return {
    config,
    sysctls: parseSysctls(await sysctlText(root)),
    cmdline: boot.cmdline.split(/\s+/),
    units: await wantedUnits(root),
  };
}

/** In the order systemd reads them: by name, and one in /etc hides one of its name in /usr/lib (sysctl.d(5)). */
async function sysctlText(root: Ext4Reader): Promise<string> {
  const files = new Map<string, string>();
  for (const folder of ["/usr/lib/sysctl.d", "/etc/sysctl.d"]) {
    for (const name of await root.list(folder)) {
      if (name.endsWith(".conf")) files.set(name, (await root.text(`${folder}/${name}`)) ?? "");
    }
  }
  return [...files]
    .toSorted(([a], [b]) => (a < b ? -1 : 1))
    .map(([, text]) => text)
    .join("\n");
}

async function wantedUnits(root: Ext4Reader): Promise<string[]> {
  const units: string[] = [];
  for (const folder of [`/usr/lib/${SYSTEMD}`, `/etc/${SYSTEMD}`]) {
    for (const name of (await root.list(folder)).filter((entry) => entry.endsWith(".wants"))) {
      units.push(...(await root.list(`${folder}/${name}`)));
    }
  }
  return units;
}
