import type { Board } from "../../src/config/model.ts";

/** A board that QEMU emulates; what only other domains read is left as small as it can be. */
export function emulatedBoard(architecture: Board["architecture"]): Board {
  const arm = architecture === "arm64";
  return {
    name: arm ? "qemu-arm64" : "qemu-x86_64",
    description: "",
    architecture,
    cpus: 4,
    suite: "trixie",
    kernel: { package: `linux-image-rt-${architecture}`, fragments: [] },
    firmware: { family: "direct" },
    cmdline: [],
    consoles: [],
    packages: [],
    overlays: [],
    partitionTable: "mbr",
    partitions: [],
    qemu: arm
      ? { machine: "virt", cpu: "cortex-a72", console: "ttyAMA0", memory: 1024 ** 3 }
      : { machine: "q35", cpu: "max", console: "ttyS0", memory: 1024 ** 3 },
  };
}
