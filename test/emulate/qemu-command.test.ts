import * as fc from "fast-check";
import { expect, it } from "vitest";
import {
  optionValue,
  qemuArguments,
  qemuPackage,
  qemuProgram,
  type MachineSpec,
} from "../../src/emulate/qemu-command.ts";
import { emulatedBoard } from "./board.ts";

const CMDLINE = "root=PARTUUID=1234abcd-02 rootwait console=tty0 console=ttyS1,115200";

function spec(changes: Partial<MachineSpec> = {}): MachineSpec {
  return {
    board: emulatedBoard("arm64"),
    accelerator: "tcg",
    cpus: 4,
    memory: 1024 ** 3,
    disk: "/out/arm.img",
    keepWrites: false,
    kernel: "/run/m/vmlinuz",
    initramfs: "/run/m/initrd.img",
    cmdline: CMDLINE,
    access: { firmwareFiles: [{ name: "opt/key", path: "/run/m/key" }], kernelWords: ["let=us.in"] },
    sshPort: 40022,
    serialLog: "/run/m/serial.log",
    console: "none",
    ...changes,
  };
}

/** Options with their values, one per line, as a person would read them. */
function lines(args: readonly string[]): string[] {
  return args.join(" ").split(/ (?=-[a-z_-]+(?: |$))/);
}

it("a Raspberry Pi's image on an x86 host: translated, in the background, nothing written", () => {
  expect(lines(qemuArguments(spec()))).toEqual([
    "-nodefaults",
    "-display none",
    "-no-reboot",
    "-machine virt",
    "-cpu cortex-a72",
    "-accel tcg,thread=multi",
    "-smp 4",
    "-m 1024M",
    "-kernel /run/m/vmlinuz",
    "-initrd /run/m/initrd.img",
    `-append ${CMDLINE} console=ttyAMA0 let=us.in`,
    "-drive file=/out/arm.img,format=raw,if=none,id=disk0,snapshot=on",
    "-device virtio-blk-pci,drive=disk0",
    "-netdev user,id=net0,hostfwd=tcp:127.0.0.1:40022-:22",
    "-device virtio-net-pci,netdev=net0,romfile=",
    "-device virtio-rng-pci",
    "-fw_cfg name=opt/key,file=/run/m/key",
    "-chardev file,id=serial0,path=/run/m/serial.log",
    "-serial chardev:serial0",
    "-monitor none",
  ]);
});

it("an x86 image with KVM, on the terminal, with a disk that keeps what is written", () => {
  const board = emulatedBoard("amd64");
  const args = lines(qemuArguments(spec({ board, accelerator: "kvm", console: "terminal", keepWrites: true })));
  expect(args.slice(3, 6)).toEqual(["-machine q35", "-cpu host", "-accel kvm"]);
  expect(args).toContain("-drive file=/out/arm.img,format=raw,if=none,id=disk0,discard=unmap,detect-zeroes=unmap");
  expect(args.slice(-3)).toEqual([
    "-chardev stdio,id=serial0,mux=on,signal=on,logfile=/run/m/serial.log",
    "-serial chardev:serial0",
    "-mon chardev=serial0,mode=readline",
  ]);
});

it("Arm under KVM has the host's interrupt controller", () => {
  expect(lines(qemuArguments(spec({ accelerator: "kvm" }))).slice(3, 6)).toEqual([
    "-machine virt,gic-version=max",
    "-cpu host",
    "-accel kvm",
  ]);
});

it("translated x86 runs in one thread: its kernel patches itself while other CPUs run it", () => {
  expect(qemuArguments(spec({ board: emulatedBoard("amd64") }))).toContain("tcg,thread=single");
  expect(qemuArguments(spec({ board: emulatedBoard("arm64") }))).toContain("tcg,thread=multi");
});

it("names QEMU's program and its Debian package by the board's architecture", () => {
  expect([qemuProgram(emulatedBoard("arm64")), qemuPackage(emulatedBoard("arm64"))]).toEqual([
    "qemu-system-aarch64",
    "qemu-system-arm",
  ]);
  expect([qemuProgram(emulatedBoard("amd64")), qemuPackage(emulatedBoard("amd64"))]).toEqual([
    "qemu-system-x86_64",
    "qemu-system-x86",
  ]);
});

it("refuses a kernel command line that the kernel would cut off", () => {
  const added = " console=ttyAMA0 let=us.in".length;
  expect(qemuArguments(spec({ cmdline: "x".repeat(2047 - added) }))).toContain(
    `${"x".repeat(2047 - added)} console=ttyAMA0 let=us.in`,
  );
  expect(() => qemuArguments(spec({ cmdline: "x".repeat(2048 - added) }))).toThrow(
    expect.objectContaining({
      code: "RTK_EMULATE_CMDLINE",
      message: "the image's kernel command line has 2022 characters",
      hint: "the kernel takes 2047, of which the emulated machine leaves 2021: shorten cmdline of board qemu-arm64",
    }),
  );
});

it("a path of any characters stays one value of an option", () => {
  expect(optionValue("/a,b/c,,d")).toBe("/a,,b/c,,,,d");
  fc.assert(
    fc.property(fc.string(), (path) => {
      expect(optionValue(path).replaceAll(",,", ",")).toBe(path);
      // QEMU's opts_parse(): a doubled comma is one, a single one ends the value.
      expect(optionValue(path).replaceAll(",,", "")).not.toContain(",");
    }),
  );
});
