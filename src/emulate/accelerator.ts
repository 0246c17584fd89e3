import { access, constants, readFile, rm } from "node:fs/promises";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Board } from "../config/model.ts";
import type { Architecture } from "../core/architecture.ts";
import { errnoCode } from "../core/errors.ts";
import { startProcess } from "../core/process.ts";
import { memoryValue, optionValue, processorArguments, qemuProgram, type Accelerator } from "./qemu-command.ts";

/** How long the kernel may take to print its first line under KVM, ms; it takes a fraction of it where KVM works. */
const TRY_MS = 3000;

/** What decides whether KVM may be tried. */
export interface KvmTry {
  readonly board: Board;
  /** This machine's architecture, in Debian's words. */
  readonly host: Architecture | undefined;
  /** The kernel that is to be booted. */
  readonly kernel: string;
  /** A private folder for the try's log. */
  readonly dir: string;
  /** The device that must be usable; `/dev/kvm` but for tests. */
  readonly device?: string;
}

/**
 * KVM when it works, else TCG. Works means that the kernel itself, started for a moment without disk and network, prints
 * its first line: KVM can be there and yet fail to set a register, or meet an instruction that it cannot run, which
 * happens on rented machines that are virtual themselves.
 */
export async function chooseAccelerator(options: KvmTry, signal: AbortSignal): Promise<Accelerator> {
  const { board, host } = options;
  if (host !== board.architecture) return "tcg";
  if (!(await isUsable(options.device ?? "/dev/kvm"))) return "tcg";
  return (await kernelSpeaks(options, signal)) ? "kvm" : "tcg";
}

async function kernelSpeaks(options: KvmTry, signal: AbortSignal): Promise<boolean> {
  const log = join(options.dir, "kvm-try.log");
  const qemu = await startProcess(qemuProgram(options.board), tryArguments(options, log), {
    stdin: "ignore",
    stdout: "ignore",
    stderr: "ignore",
    detached: false,
  });
  let over = false;
  void qemu.ended.then(() => (over = true));
  try {
    for (const deadline = performance.now() + TRY_MS; performance.now() < deadline;) {
      const ended = over;
      // The first line of every kernel, linux_banner in init/version.c.
      if ((await textOf(log)).includes("Linux version")) return true;
      if (ended) return false;
      await sleep(50);
      signal.throwIfAborted();
    }
    return false;
  } finally {
    await qemu.stop();
    await rm(log, { force: true });
  }
}

function tryArguments({ board, kernel }: KvmTry, log: string): string[] {
  return [
    "-nodefaults",
    "-display",
    "none",
    "-monitor",
    "none",
    "-no-reboot",
    ...processorArguments({ board, accelerator: "kvm" }),
    "-m",
    memoryValue(board.qemu.memory),
    "-kernel",
    kernel,
    "-append",
    `console=${board.qemu.console} ${earlyConsole(board)} panic=-1`,
    "-chardev",
    `file,id=serial0,path=${optionValue(log)}`,
    "-serial",
    "chardev:serial0",
  ];
}

/** Words that make the kernel print from its first line on (Documentation/admin-guide/kernel-parameters.rst). */
function earlyConsole(board: Board): string {
  return board.architecture === "arm64" ? "earlycon" : `earlyprintk=serial,${board.qemu.console}`;
}

async function isUsable(device: string): Promise<boolean> {
  try {
    await access(device, constants.R_OK | constants.W_OK);
    return true;
  } catch (error) {
    const code = errnoCode(error);
    if (code === "ENOENT" || code === "EACCES" || code === "EPERM" || code === "ENOTDIR") return false;
    throw error;
  }
}

async function textOf(file: string): Promise<string> {
  try {
    return await readFile(file, "utf8");
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return "";
    throw error;
  }
}
