import { RtkitError } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";
import { readExt4, type Ext4Reader } from "./debugfs.ts";
import { bootPartition, notAnImage, openDiskImage, type DiskImage, type ImagePartition } from "./disk-image.ts";
import { listFat, readFatText } from "./fat.ts";

/** What an image holds, read from the image alone. */
export interface Inspection {
  readonly disk: DiskImage;
  readonly boot: {
    /** Paths, sorted. */
    readonly files: readonly string[];
    readonly cmdline: string;
    /** Null for boards whose firmware reads none. */
    readonly configTxt: string | null;
  };
  readonly system: {
    /** PRETTY_NAME of os-release(5). */
    readonly name: string;
    readonly hostname: string;
    readonly kernelReleases: readonly string[];
    readonly packages: readonly { readonly name: string; readonly version: string; readonly architecture: string }[];
    readonly users: readonly { readonly name: string; readonly uid: number; readonly shell: string }[];
    /** Units that /etc/systemd/system enables, as `<wanted by>: <unit>`. */
    readonly enabledUnits: readonly string[];
  };
  /** The release that is active; null when the data partition has none. */
  readonly release: { readonly id: string; readonly nodes: readonly InspectedNode[] } | null;
}

/** A node of a release. */
export interface InspectedNode {
  readonly name: string;
  /** The program's file: `imu.pyz`. */
  readonly program: string;
  /** Lines of its `.conf`, without comments. */
  readonly options: readonly string[];
}

/**
 * Reads everything worth knowing out of an image file: partition table, boot files, Debian system and the active
 * release. Needs no root and changes nothing. Throws RTK_NOT_AN_IMAGE for a file that rtkit did not build.
 */
export async function inspectImage(tools: Toolbox, path: string): Promise<Inspection> {
  const disk = await openDiskImage(tools, path);
  const boot = await inspectBoot(tools, disk);
  const wanted = /(?:^|\s)root=PARTUUID=(\S+)/.exec(boot.cmdline)?.[1];
  const root = disk.partitions.find(({ partUuid }) => partUuid === wanted);
  if (root?.filesystem?.type !== "ext4")
    throw notAnImage(path, "its kernel command line names no root partition of it");
  const others = disk.partitions.filter(({ filesystem }) => filesystem?.type === "ext4");
  return {
    disk,
    boot,
    system: await inspectSystem(readExt4(tools, path, root.start), path),
    release: await findRelease(
      tools,
      path,
      others.filter((partition) => partition !== root),
    ),
  };
}

async function inspectBoot(tools: Toolbox, disk: DiskImage): Promise<Inspection["boot"]> {
  const { start } = bootPartition(disk);
  try {
    const files = await listFat(tools, disk.path, start);
    const text = async (file: string): Promise<string> => readFatText(tools, disk.path, start, file);
    if (!files.includes("cmdline.txt")) throw notAnImage(disk.path, "its boot partition has no cmdline.txt");
    return {
      files,
      cmdline: (await text("cmdline.txt")).trimEnd(),
      configTxt: files.includes("config.txt") ? await text("config.txt") : null,
    };
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_FAILED") throw error;
    throw notAnImage(disk.path, "its boot partition cannot be read", error);
  }
}

async function inspectSystem(root: Ext4Reader, path: string): Promise<Inspection["system"]> {
  const osRelease = await root.text("/usr/lib/os-release");
  if (osRelease === null) throw notAnImage(path, "its root partition holds no Debian system");
  return {
    name: /^PRETTY_NAME="?(.*?)"?$/m.exec(osRelease)?.[1] ?? "unknown",
    hostname: (await root.text("/etc/hostname"))?.trim() ?? "",
    kernelReleases: await root.list("/usr/lib/modules"),
    packages: parseStatus((await root.text("/var/lib/dpkg/status")) ?? ""),
    users: parsePasswd((await root.text("/etc/passwd")) ?? ""),
    enabledUnits: await enabledUnits(root),
  };
}

async function enabledUnits(root: Ext4Reader): Promise<string[]> {
  const folder = "/etc/systemd/system";
  const units: string[] = [];
  for (const name of (await root.list(folder)).filter((entry) => entry.endsWith(".wants"))) {
    for (const unit of await root.list(`${folder}/${name}`)) units.push(`${name.slice(0, -".wants".length)}: ${unit}`);
  }
  return units;
}

async function findRelease(
  tools: Toolbox,
  path: string,
  partitions: readonly ImagePartition[],
): Promise<Inspection["release"]> {
  for (const { start } of partitions) {
    const data = readExt4(tools, path, start);
    const current = await data.link("/current");
    if (current === null) continue;
    const files = await data.list(`/${current}/nodes`);
    const nodes: InspectedNode[] = [];
    for (const program of files.filter((file) => !file.endsWith(".conf"))) {
      const name = program.replace(/\.[^.]+$/, "");
      const conf = (await data.text(`/${current}/nodes/${name}.conf`)) ?? "";
      const options = conf.split("\n").filter((line) => line.trim() !== "" && !line.startsWith("#"));
      nodes.push({ name, program, options });
    }
    return { id: current.replace(/^releases\//, ""), nodes };
  }
  return null;
}

/** Installed packages from dpkg's status file (deb822). */
function parseStatus(text: string): Inspection["system"]["packages"] {
  return text.split("\n\n").flatMap((stanza) => {
    const field = (name: string): string | undefined => new RegExp(`^${name}: (.*)$`, "m").exec(stanza)?.[1];
    const [name, version, architecture] = [field("Package"), field("Version"), field("Architecture")];
    if (name === undefined || version === undefined || architecture === undefined) return [];
    return field("Status") === "install ok installed" ? [{ name, version, architecture }] : [];
  });
}

/** Users from passwd(5). */
function parsePasswd(text: string): Inspection["system"]["users"] {
  return text.split("\n").flatMap((line) => {
    const [name, , uid, , , , shell] = line.split(":");
    return name === undefined || uid === undefined ? [] : [{ name, uid: Number(uid), shell: shell ?? "" }];
  });
}
