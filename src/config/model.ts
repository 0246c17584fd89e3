import type { Architecture } from "../core/architecture.ts";

/**
 * What the project file and the board file say, after parsing, normalising and checking: every path absolute, every
 * default filled in, every size in bytes and duration in nanoseconds. Frozen; everything downstream reads it only.
 */

export interface Project {
  /** The folder that holds the project file; relative paths of the file were resolved against it. */
  readonly dir: string;
  /** The project file itself. */
  readonly file: string;
  /** A DNS label: names the outputs. */
  readonly name: string;
  readonly board: Board;
  readonly image: ImageConfig;
  readonly kernel: KernelConfig;
  /** In the order of the project file; never empty. */
  readonly nodes: readonly NodeConfig[];
  /** Boards on the network by name, in the order of the project file. */
  readonly targets: readonly Target[];
  readonly deploy: DeployConfig;
  readonly cache: {
    /** The cache that the team shares, http or https; null for none. */
    readonly url: string | null;
  };
}

/** One name for one or several boards that are reached over SSH in the same way. */
export interface Target {
  readonly name: string;
  /** Host names or addresses; never empty, no duplicates. */
  readonly hosts: readonly string[];
  readonly user: string;
  /** Null for what ssh's configuration says, else 22. */
  readonly port: number | null;
}

/** The project's own checks; each a command line for `sh -c` in the project's folder, or null for none. */
export interface DeployConfig {
  /** Runs on the host before anything is built or sent. */
  readonly check: string | null;
  /** Runs on the host for each board, when its nodes are active and before it may keep the release. */
  readonly health: string | null;
}

export interface ImageConfig {
  readonly hostname: string;
  /** Debian packages asked for by the project, sorted, without those of board and runtimes. */
  readonly packages: readonly string[];
  /** The state of Debian's archive to build from, `20261101T000000Z`; null for the mirror's present one. */
  readonly snapshot: string | null;
  /** The major version of the official build of Node.js in the image, `24`; null for Debian's Node.js. */
  readonly node: string | null;
  /** Lines for authorized_keys (read from the files that the project names). */
  readonly authorizedKeys: readonly string[];
  /** Who may sign releases; without any the board takes unsigned ones. */
  readonly signers: readonly Signer[];
  /** Folders of the project's own overlays, in layering order. */
  readonly overlays: readonly string[];
}

/** Where the image's kernel comes from, and what the project wants of it besides the board. */
export interface KernelConfig {
  /** Null for the board's Debian package. */
  readonly source: KernelSource | null;
  /** On top of the board's: names of fragments that rtkit brings, or absolute paths of the project's own. */
  readonly fragments: readonly string[];
  /** Absolute paths of patches, in the order they are applied. */
  readonly patches: readonly string[];
}

/** What a kernel is compiled from. */
export type KernelSource =
  /** Debian's source package of the suite, in the lock. */
  | { readonly kind: "debian" }
  /** A kernel's source tree on this machine, absolute. */
  | { readonly kind: "folder"; readonly path: string };

/** An ed25519 key that signs releases. */
export interface Signer {
  /** A line of a public key file. */
  readonly key: string;
  /** The file it stands in, absolute; null when it stands in the project file. */
  readonly file: string | null;
}

/** Which interpreter starts a node; `native` is none. */
export type Runtime = "python" | "typescript" | "native";

export interface NodeConfig {
  /** A systemd instance name and file name: `[a-z0-9][a-z0-9-]*`. */
  readonly name: string;
  /** The source file, or for `native` the executable. */
  readonly entry: string;
  readonly runtime: Runtime;
  /** Arguments after the program. */
  readonly args: readonly string[];
  readonly env: Readonly<Record<string, string>>;
  readonly schedule: Schedule;
  readonly memory: MemoryConfig;
  readonly limits: LimitsConfig;
  readonly restart: "no" | "on-failure" | "always";
  /** How long the node's loop may stand still before the board restarts it, nanoseconds; null for no watchdog. */
  readonly watchdog: number | null;
  /** Names of the nodes that are started before this one; sorted. */
  readonly after: readonly string[];
  /** Supplementary groups for devices (`gpio`, `i2c`, …). */
  readonly groups: readonly string[];
  /** What `rtkit latency` holds the node to; only the limits that the project states. Nothing else depends on them. */
  readonly expect: Expectations;
}

/** A limit of a node, by its name in the project file. */
export type Limit =
  | `wakeup_${"p99" | "p999" | "max"}`
  | `step_${"p99" | "max"}`
  | "overruns"
  | "faults"
  | "collections"
  | "switches";

/** Limits of a node: nanoseconds (`wakeup_…`, `step_…`) or counts. */
export type Expectations = Readonly<Partial<Record<Limit, number | undefined>>>;

/** Scheduling as sched_setattr(2) takes it. Times are nanoseconds. */
export type Schedule = SchedulePolicy & {
  /** CPUs the node may run on; empty means all that are not isolated. */
  readonly cpus: readonly number[];
};

export type SchedulePolicy =
  | { readonly policy: "other" | "batch"; readonly nice: number }
  | { readonly policy: "idle" }
  | { readonly policy: "fifo" | "rr"; readonly priority: number }
  | { readonly policy: "deadline"; readonly runtime: number; readonly deadline: number; readonly period: number };

export interface MemoryConfig {
  /** mlockall through the preloaded library. */
  readonly lock: boolean;
  /** Bytes of stack touched before main. */
  readonly stack: number;
  /** Bytes of heap touched before main. */
  readonly heap: number;
}

export interface LimitsConfig {
  /** RLIMIT_RTTIME in nanoseconds; null for none. Only real-time policies have one. */
  readonly rttime: number | null;
}

/** A board file, `board-configs/<name>.yaml`. */
export interface Board {
  readonly name: string;
  readonly description: string;
  /** Debian's name of the architecture. */
  readonly architecture: Architecture;
  /** Number of CPUs; they are numbered from 0. */
  readonly cpus: number;
  /** Debian suite: `trixie`. */
  readonly suite: string;
  readonly kernel: {
    /** Debian package (a metapackage): `linux-image-rt-arm64`. */
    readonly package: string;
    /** Names of fragments in board-configs/kernel/, without `.config`. */
    readonly fragments: readonly string[];
  };
  readonly firmware: Firmware;
  /** Words of the kernel command line besides root=, console= and what isolation needs. */
  readonly cmdline: readonly string[];
  /** Values of console=, the last is /dev/console. */
  readonly consoles: readonly string[];
  /** Debian packages the board needs. */
  readonly packages: readonly string[];
  /** Names of overlays in overlays/, in layering order. */
  readonly overlays: readonly string[];
  readonly partitionTable: "mbr" | "gpt";
  /** In the order they stand on the card. */
  readonly partitions: readonly Partition[];
  readonly qemu: {
    /** `-machine`, without accelerator. */
    readonly machine: string;
    /** `-cpu` under TCG. */
    readonly cpu: string;
    /** The serial console's kernel name there: `ttyAMA0`. */
    readonly console: string;
    /** `-m` by default, bytes. */
    readonly memory: number;
  };
}

/** How the kernel gets started; decides what the boot partition holds. */
export type Firmware =
  /** Raspberry Pi's GPU firmware: config.txt, cmdline.txt, start*.elf. */
  | {
      readonly family: "raspberrypi";
      /** Paths below the kernel's device tree folder: `broadcom/bcm2711-rpi-4-b.dtb`. */
      readonly deviceTrees: readonly string[];
      /** Firmware blobs of raspi-firmware that this board loads: `start4.elf`. */
      readonly blobs: readonly string[];
      /** Lines of config.txt besides those rtkit derives. */
      readonly config: readonly string[];
    }
  /** A loader outside the image (QEMU's -kernel) reads kernel, initramfs and cmdline.txt from the boot partition. */
  | { readonly family: "direct" };

export interface Partition {
  /** Also the file system's label: at most 11 characters, `[A-Z0-9_-]` for FAT. */
  readonly name: string;
  readonly content: "boot" | "root" | "data" | "empty";
  readonly filesystem: "fat32" | "ext4";
  /** Where the board mounts it; null when it does not. */
  readonly mount: string | null;
  /** Bytes; `auto` is what the content needs plus `spare`. */
  readonly size: number | "auto";
  /** Bytes of free space added to `auto`. */
  readonly spare: number;
  /** True for the one partition (the last) that grows to fill the card at first boot. */
  readonly grow: boolean;
}
