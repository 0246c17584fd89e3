import type { Board } from "../config/model.ts";
import { RtkitError } from "../core/errors.ts";
import type { GuestAccess } from "./guest-access.ts";

/** How the guest's instructions are run: by the host's CPU, or translated by QEMU. */
export type Accelerator = "kvm" | "tcg";

/** The machine to emulate, everything resolved. All paths absolute. */
export interface MachineSpec {
  readonly board: Board;
  readonly accelerator: Accelerator;
  readonly cpus: number;
  /** Bytes. */
  readonly memory: number;
  readonly disk: string;
  /** False: what the machine writes is thrown away. True: it is written to `disk`. */
  readonly keepWrites: boolean;
  readonly kernel: string;
  /** Null for a kernel that needs none. */
  readonly initramfs: string | null;
  /** The image's own kernel command line. */
  readonly cmdline: string;
  readonly access: GuestAccess;
  /** The port of 127.0.0.1 that leads to the guest's ssh. */
  readonly sshPort: number;
  /** Receives a copy of all that the guest prints on its serial port. */
  readonly serialLog: string;
  /** Where the serial port is besides: on our standard input and output, or nowhere. */
  readonly console: "terminal" | "none";
}

/** COMMAND_LINE_SIZE of arm64 (arch/arm64/include/uapi/asm/setup.h) and x86 (arch/x86/include/asm/setup.h), with the end mark. */
const COMMAND_LINE_SIZE = 2048;

/** QEMU's program for a board. */
export function qemuProgram(board: Board): string {
  return board.architecture === "arm64" ? "qemu-system-aarch64" : "qemu-system-x86_64";
}

/** The Debian package that has {@link qemuProgram}. */
export function qemuPackage(board: Board): string {
  return board.architecture === "arm64" ? "qemu-system-arm" : "qemu-system-x86";
}

/**
 * The arguments for {@link qemuProgram} (QEMU 7.2's manual, "Invocation"). Devices are named one by one, so that the
 * machine is the same whatever a QEMU version adds by default. Throws RTK_EMULATE_CMDLINE when the kernel command line
 * is longer than the kernel takes.
 */
export function qemuArguments(spec: MachineSpec): string[] {
  return [
    "-nodefaults",
    "-display",
    "none",
    "-no-reboot",
    ...processorArguments(spec),
    "-smp",
    `${spec.cpus}`,
    "-m",
    memoryValue(spec.memory),
    "-kernel",
    spec.kernel,
    ...(spec.initramfs === null ? [] : ["-initrd", spec.initramfs]),
    "-append",
    guestCmdline(spec),
    "-drive",
    diskOption(spec),
    "-device",
    "virtio-blk-pci,drive=disk0",
    "-netdev",
    `user,id=net0,hostfwd=tcp:127.0.0.1:${spec.sshPort}-:22`,
    "-device",
    // Without a boot ROM: nothing boots from the network, and the ROM is in a package that need not be there.
    "virtio-net-pci,netdev=net0,romfile=",
    "-device",
    "virtio-rng-pci",
    ...spec.access.firmwareFiles.flatMap(({ name, path }) => ["-fw_cfg", `name=${name},file=${optionValue(path)}`]),
    ...serialArguments(spec),
  ];
}

/** `-machine`, `-cpu` and `-accel`. */
export function processorArguments(spec: Pick<MachineSpec, "board" | "accelerator">): string[] {
  const { board, accelerator } = spec;
  if (accelerator === "kvm") {
    // KVM offers the interrupt controller that the host has, which on Arm need not be the machine's default.
    const machine = board.architecture === "arm64" ? `${board.qemu.machine},gic-version=max` : board.qemu.machine;
    return ["-machine", machine, "-cpu", "host", "-accel", "kvm"];
  }
  // A thread per CPU, but for x86: its kernel patches its own code while other CPUs run it, and about one boot in ten
  // then ended in "Oops: int3" under QEMU 7.2. On Arm hosts the weaker memory order would show in the guest as well
  // (docs/devel/multi-thread-tcg).
  const accel = board.architecture === "amd64" ? "tcg,thread=single" : "tcg,thread=multi";
  return ["-machine", board.qemu.machine, "-cpu", board.qemu.cpu, "-accel", accel];
}

/** Bytes as `-m` takes them: whole MiB. */
export function memoryValue(bytes: number): string {
  return `${Math.ceil(bytes / 2 ** 20)}M`;
}

/** A path as the value of a QEMU option: a comma is doubled. */
export function optionValue(path: string): string {
  return path.replaceAll(",", ",,");
}

/** The image's own command line; then /dev/console (the last `console=`) is the emulated serial port, and ssh lets us in. */
function guestCmdline(spec: MachineSpec): string {
  const line = [spec.cmdline, `console=${spec.board.qemu.console}`, ...spec.access.kernelWords].join(" ");
  if (line.length >= COMMAND_LINE_SIZE) {
    const room = COMMAND_LINE_SIZE - 1 - (line.length - spec.cmdline.length);
    throw new RtkitError(
      "RTK_EMULATE_CMDLINE",
      `the image's kernel command line has ${spec.cmdline.length} characters`,
      {
        hint: `the kernel takes ${COMMAND_LINE_SIZE - 1}, of which the emulated machine leaves ${room}: shorten cmdline of board ${spec.board.name}`,
      },
    );
  }
  return line;
}

function diskOption(spec: MachineSpec): string {
  const writes = spec.keepWrites ? "discard=unmap,detect-zeroes=unmap" : "snapshot=on";
  return `file=${optionValue(spec.disk)},format=raw,if=none,id=disk0,${writes}`;
}

function serialArguments(spec: MachineSpec): string[] {
  const log = optionValue(spec.serialLog);
  if (spec.console === "none") {
    return ["-chardev", `file,id=serial0,path=${log}`, "-serial", "chardev:serial0", "-monitor", "none"];
  }
  // With signal=on Ctrl-C ends QEMU: the board's accounts have no password, so nobody can use it inside the console.
  const chardev = `stdio,id=serial0,mux=on,signal=on,logfile=${log}`;
  return ["-chardev", chardev, "-serial", "chardev:serial0", "-mon", "chardev=serial0,mode=readline"];
}
