import { mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import type { Board, NodeConfig, Partition, Schedule } from "../../src/config/model.ts";
import type { Manifest } from "../../src/image/manifest.ts";

/** A Raspberry Pi 4 as its board file describes it. */
export const rpi4: Board = {
  name: "rpi4",
  description: "Raspberry Pi 4 Model B",
  architecture: "arm64",
  cpus: 4,
  suite: "trixie",
  kernel: { package: "linux-image-rt-arm64", fragments: ["preempt-rt"] },
  firmware: {
    family: "raspberrypi",
    deviceTrees: ["broadcom/bcm2711-rpi-4-b.dtb"],
    blobs: ["start4.elf", "fixup4.dat"],
    config: [],
  },
  cmdline: ["rw"],
  consoles: ["tty0", "ttyS1,115200"],
  packages: [],
  overlays: [],
  partitionTable: "mbr",
  partitions: [
    partition({ name: "BOOT", content: "boot", filesystem: "fat32", mount: "/boot/firmware", size: 48 * 1024 ** 2 }),
    partition({ name: "root", content: "root", mount: "/", size: "auto", spare: 8 * 1024 ** 2 }),
    partition({ name: "data", content: "data", mount: "/opt/rtnode", size: 48 * 1024 ** 2, grow: true }),
  ],
  qemu: { machine: "virt", cpu: "cortex-a72", console: "ttyAMA0", memory: 2 * 1024 ** 3 },
};

/** An ext4 partition named by the caller, with what it leaves out filled in. */
export function partition(given: Partial<Partition> & Pick<Partition, "name" | "content">): Partition {
  return { filesystem: "ext4", mount: null, size: "auto", spare: 0, grow: false, ...given };
}

/** A board with six partitions: two of each that a later A/B update needs. */
export const sixPartitions: readonly Partition[] = [
  partition({ name: "BOOT", content: "boot", filesystem: "fat32", size: 48 * 1024 ** 2 }),
  partition({ name: "BOOTB", content: "empty", filesystem: "fat32", size: 48 * 1024 ** 2 }),
  partition({ name: "root", content: "root", size: 48 * 1024 ** 2 }),
  partition({ name: "rootb", content: "empty", size: 48 * 1024 ** 2 }),
  partition({ name: "state", content: "empty", size: 48 * 1024 ** 2 }),
  partition({ name: "data", content: "data", size: 48 * 1024 ** 2, grow: true }),
];

/** A node with a schedule and nothing else of interest. */
export function node(name: string, schedule: Schedule): NodeConfig {
  return {
    name,
    entry: `/robot/${name}.py`,
    runtime: "python",
    args: [],
    env: {},
    schedule,
    memory: { lock: true, stack: 524_288, heap: 0 },
    limits: { rttime: null },
    restart: "on-failure",
    watchdog: null,
    expect: {},
    after: [],
    groups: [],
  };
}

/** Runs a test in a folder of its own, removed afterwards. */
export async function inScratch<T>(work: (dir: string) => Promise<T>): Promise<T> {
  const dir = await mkdtemp(join(tmpdir(), "rtkit-image-"));
  try {
    return await work(dir);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

/** A manifest of an image with everything that one may have. */
export const sampleManifest: Manifest = {
  format: 1,
  rtkit: "0.1.0",
  name: "arm",
  board: "rpi4",
  suite: "trixie",
  architecture: "arm64",
  kernel: {
    release: "6.12.0-rt-arm64",
    options: [
      { name: "PREEMPT_RT", wanted: "y", got: "y", severity: "fatal", verdict: "satisfied", reason: "real-time" },
    ],
  },
  cmdline: "root=PARTUUID=12345678-02",
  overlays: ["rt-limits"],
  packages: [{ name: "libc6", version: "2.41-12", architecture: "arm64" }],
  nodes: [{ name: "imu", runtime: "python", schedule: { policy: "fifo", priority: 40, cpus: [3] } }],
  release: "0123abcd",
  layout: {
    table: "mbr",
    diskId: "12345678",
    size: 8192,
    partitions: [
      {
        name: "root",
        number: 2,
        content: "root",
        filesystem: "ext4",
        mount: "/",
        start: 4096,
        size: 4096,
        partUuid: "12345678-02",
        fsUuid: "00",
      },
    ],
  },
  artifacts: { "b.img": { size: 1, sha256: "00" }, "a.tar": { size: 2, sha256: "11" } },
};
