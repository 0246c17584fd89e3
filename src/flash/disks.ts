import * as z from "zod";
import { printable } from "../core/printable.ts";

/** A mounted file system of a disk, or swap. */
export interface Mount {
  /** Where; `[SWAP]` for swap. */
  readonly at: string;
  /** The device that is mounted, e.g. `/dev/sda1`. */
  readonly device: string;
}

/** What kind of thing a disk is to somebody who holds a card in the hand. */
export type DiskKind =
  /** A card, or a stick: made to be pulled out. */
  | "removable"
  /** A disk on a cable of its own. */
  | "external"
  /** Everything that is part of the computer: SATA, NVMe, eMMC, a virtual machine's. */
  | "internal"
  /** A file that looks like a disk. */
  | "loop"
  /** What is no place for an image: CD drives, floppies, memory, network, parts of other disks. */
  | "other";

/** A disk as the machine knows it. */
export interface Disk {
  /** E.g. `/dev/sda`. */
  readonly path: string;
  /** Names below /dev/disk/by-id, which stay the same wherever it is plugged in. */
  readonly stableNames: readonly string[];
  /** Maker and model; empty where nothing is known. */
  readonly model: string;
  /** How it is connected (`usb`, `mmc`, `nvme`, …); empty where nothing is known. */
  readonly transport: string;
  readonly kind: DiskKind;
  /** In bytes; 0 in a reader without a card. */
  readonly sizeBytes: number;
  /** Bytes of a logical sector. */
  readonly logicalBlockBytes: number;
  readonly readOnly: boolean;
  /** Labels of its file systems and partitions. */
  readonly labels: readonly string[];
  readonly mounts: readonly Mount[];
  /** What it is part of: `LVM`, `RAID`, `dm-crypt`, `ZFS`, … */
  readonly memberOf: readonly string[];
  /** Paths of its partitions and what lies on them. */
  readonly parts: readonly string[];
  /** What a loop device shows: a file, or another device. */
  readonly backing: string | undefined;
  /** A number that no other disk or medium has had since the machine was started; undefined before Linux 5.15. */
  readonly sequence: number | undefined;
}

/** What {@link parseDisks} is told of a machine. */
export interface MachineFacts {
  /** What `lsblk --json --bytes --output-all` prints, of util-linux 2.33 or newer (lsblk(8)). */
  readonly lsblk: string;
  /** /proc/self/mountinfo (proc_pid_mountinfo(5)). */
  readonly mountinfo: string;
  /** /sys/block/mmcblkN/device/type by kernel name: `SD` for cards, `MMC` for eMMC. */
  readonly mmcTypes: Readonly<Record<string, string>>;
  /** Links of /dev/disk/by-id: their names and what they lead to (`/dev/sda`). */
  readonly byId: Readonly<Record<string, string>>;
  /** /sys/block/loopN/loop/backing_file by kernel name. */
  readonly backingFiles?: Readonly<Record<string, string>>;
  /** /sys/block/X/diskseq by kernel name. */
  readonly sequences?: Readonly<Record<string, number>>;
}

/** Numbers and switches were strings before util-linux 2.33 and are in some distributions still. */
const number = z.union([z.number(), z.string().transform(Number)]).catch(0);
const flag = z
  .union([z.boolean(), z.number(), z.string()])
  .transform((value) => [true, 1, "1", "true"].includes(value));
const word = z
  .string()
  .nullish()
  .transform((text) => printable(text?.trim() ?? "").replaceAll("\n", "?"));

const node = z.object({
  name: z.string(),
  kname: z.string().nullish(),
  path: z.string().nullish(),
  "maj:min": word,
  type: word,
  size: number,
  ro: flag.catch(false),
  rm: flag.catch(false),
  tran: word,
  vendor: word,
  model: word,
  fstype: word,
  uuid: word,
  label: word,
  partlabel: word,
  "log-sec": number,
  /** Before 2.37 only one. */
  mountpoint: z.string().nullish(),
  mountpoints: z.array(z.string().nullable()).nullish(),
  get children() {
    return z.array(node).nullish();
  },
});

type Node = z.infer<typeof node>;

const listing = z.object({ blockdevices: z.array(node) });

/** Turns what the machine says into disks. Pure, so that other machines' words can be tried. */
export function parseDisks(facts: MachineFacts): readonly Disk[] {
  const nodes = listing.parse(JSON.parse(facts.lsblk)).blockdevices;
  const mounted = parseMountinfo(facts.mountinfo);
  const all = nodes.flatMap(withDescendants);
  // A btrfs of several devices is mounted by one of them.
  const mountedBtrfs = new Set(
    all.filter((one) => one.fstype === "btrfs" && mountsOf(one, mounted).length > 0).map(({ uuid }) => uuid),
  );
  return nodes.map((disk) => {
    const family = withDescendants(disk);
    const spread = family.some(
      (one) => one.fstype === "btrfs" && mountedBtrfs.has(one.uuid) && mountsOf(one, mounted).length === 0,
    );
    return Object.freeze({
      path: pathOf(disk),
      stableNames: Object.entries(facts.byId)
        .filter(([, target]) => target === pathOf(disk))
        .map(([name]) => `/dev/disk/by-id/${name}`)
        .toSorted(),
      model: [disk.vendor, disk.model].filter((text) => text !== "").join(" "),
      transport: disk.tran === "" && kernelName(disk).startsWith("mmcblk") ? "mmc" : disk.tran,
      kind: kindOf(disk, facts.mmcTypes),
      sizeBytes: disk.size,
      logicalBlockBytes: disk["log-sec"] || 512,
      readOnly: disk.ro,
      labels: [...new Set(family.map(({ label, partlabel }) => label || partlabel).filter((text) => text !== ""))],
      mounts: family.flatMap((one) => mountsOf(one, mounted).map((at) => ({ at, device: pathOf(one) }))),
      memberOf: [...new Set([...family.flatMap(membership), ...(spread ? ["btrfs"] : [])])],
      parts: family.slice(1).map(pathOf),
      backing: facts.backingFiles?.[kernelName(disk)],
      sequence: facts.sequences?.[kernelName(disk)],
    });
  });
}

function kindOf(disk: Node, mmcTypes: MachineFacts["mmcTypes"]): DiskKind {
  const name = kernelName(disk);
  if (disk.type === "loop") return "loop";
  // lsblk calls compressed memory, network and eMMC boot areas disks.
  if (disk.type !== "disk" || /^(?:zram|ram|nbd|fd|sr|mtdblock|dm-|md)\d|^mmcblk\d+(?:boot\d|rpmb)/.test(name))
    return "other";
  // `removable` is 0 of cards in built-in readers, and util-linux 2.39.1 no longer calls them hot-plugged.
  if (name.startsWith("mmcblk")) return mmcTypes[name] === "SD" ? "removable" : "internal";
  if (disk.tran === "usb") return disk.rm ? "removable" : "external";
  return ["ieee1394", "thunderbolt"].includes(disk.tran) ? "external" : "internal";
}

/** What a node is part of: by what lies on it, or by what its data is marked as. */
function membership({ type, fstype }: Node): string[] {
  if (type === "crypt") return ["dm-crypt"];
  if (type === "lvm" || fstype === "LVM2_member") return ["LVM"];
  if (/^(?:raid|linear|md)/.test(type) || fstype.endsWith("_raid_member")) return ["RAID"];
  if (fstype === "zfs_member") return ["ZFS"];
  if (fstype === "bcache") return ["bcache"];
  return type === "mpath" ? ["multipath"] : [];
}

function mountsOf(one: Node, mounted: readonly Mounted[]): string[] {
  const listed = [one.mountpoint, ...(one.mountpoints ?? [])].filter(
    (at) => at !== undefined && at !== null && at !== "",
  );
  const own = mounted.filter(({ majorMinor, source }) => majorMinor === one["maj:min"] || source === pathOf(one));
  return [...new Set([...listed, ...own.map(({ at }) => at)])] as string[];
}

interface Mounted {
  readonly majorMinor: string;
  readonly at: string;
  readonly source: string;
}

/** `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw` */
function parseMountinfo(text: string): Mounted[] {
  return text
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => {
      const [before = "", after = ""] = line.split(" - ");
      const [, , majorMinor = "", , at = ""] = before.split(" ");
      return { majorMinor, at: unescape(at), source: unescape(after.split(" ")[1] ?? "") };
    });
}

/** Spaces, tabs, line ends and backslashes are written as octal numbers. */
function unescape(text: string): string {
  return text.replaceAll(/\\([0-7]{3})/g, (_, digits: string) => String.fromCodePoint(Number.parseInt(digits, 8)));
}

function withDescendants(one: Node): Node[] {
  return [one, ...(one.children ?? []).flatMap(withDescendants)];
}

function kernelName({ kname, name }: Node): string {
  return kname ?? name;
}

/** lsblk has paths since 2.33. */
function pathOf(one: Node): string {
  return one.path ?? `/dev/${one.name}`;
}
