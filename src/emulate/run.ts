import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Board } from "../config/model.ts";
import { hostArchitecture } from "../core/architecture.ts";
import { RtkitError } from "../core/errors.ts";
import { exec } from "../core/exec.ts";
import { chooseAccelerator } from "./accelerator.ts";
import { PORT_TAKEN, withLines } from "./failures.ts";
import { freePort } from "./free-port.ts";
import { BOARD_USER, writeGuestAccess } from "./guest-access.ts";
import { knownHostsLine } from "../core/known-hosts.ts";
import { makeKeyPair } from "../core/ssh-keys.ts";
import { startMachine, type Machine } from "./machine.ts";
import { qemuArguments, qemuPackage, qemuProgram, type Accelerator } from "./qemu-command.ts";
import { waitForNodes, waitForSsh, type Progress } from "./ready.ts";
import { giveRuntimeDir, makeRuntimeDir, removeDeadRuntimeDirs } from "./runtime-dir.ts";
import { sshConfig } from "./ssh-config.ts";
import type { SshAccess, SshLogin } from "./ssh.ts";

/** What to boot. */
export interface RunOptions {
  readonly board: Board;
  /** The image's file, absolute; opened for reading only unless `keepWrites`. */
  readonly image: string;
  /** True: what the machine writes goes into `image`. False: it is thrown away when the machine ends. */
  readonly keepWrites: boolean;
  /** Puts kernel and initramfs of the image into a folder, and says the image's kernel command line. */
  readonly loadKernel: (intoDir: string) => Promise<LoadedKernel>;
  /** Number of CPUs; the board's by default. */
  readonly cpus?: number;
  /** Bytes; the board's by default. */
  readonly memory?: number;
  readonly progress: Progress;
  readonly signal: AbortSignal;
}

/** Files on the host (no initramfs for a kernel that needs none), and the command line without line end. */
export interface LoadedKernel {
  readonly kernel: string;
  readonly initramfs: string | null;
  readonly cmdline: string;
}

/** A machine that runs. */
export interface RunningMachine {
  /** QEMU's process; a signal ends the machine. */
  readonly pid: number;
  readonly accelerator: Accelerator;
  readonly ssh: SshAccess;
  /** A copy of all that the serial console showed. */
  readonly serialLog: string;
}

/** A machine that runs by itself. */
export interface DetachedMachine extends RunningMachine {
  /** From QEMU's start until what was waited for came, seconds. */
  readonly bootSeconds: number;
}

/** The folder for kernel and initramfs in the machine's own. */
const BOOT_FILES = "boot";

/** What to wait for, and how long. */
export interface Until {
  readonly what: "ssh" | "ready";
  readonly timeoutSeconds: number;
}

/** How often another port is tried when someone takes the chosen one. */
const PORT_TRIES = 3;

/**
 * Boots an image with its serial console on our standard input and output, until the machine is switched off. Nothing
 * stays behind: no process, also when we are killed, and no file (but for those of a killed rtkit, which the next run
 * removes). `onStart` hears how to get in, before the machine prints.
 * Throws RTK_EMULATE_QEMU_MISSING, _QEMU_FAILED, _PORT_TAKEN, _DISK_IN_USE, _MEMORY, _CMDLINE, _PANIC, _BOOT_FAILED, and
 * the signal's reason when aborted (Ctrl-C).
 */
export async function runOnTerminal(options: RunOptions, onStart: (machine: RunningMachine) => void): Promise<void> {
  await withMachine(options, { console: "terminal", detached: false }, async ({ machine, running, dir }) => {
    onStart(running);
    const aborted = Promise.withResolvers<never>();
    const abort = (): void => aborted.reject(options.signal.reason);
    options.signal.addEventListener("abort", abort, { once: true });
    try {
      const failure = await Promise.race([machine.over, aborted.promise]);
      // Ctrl-C reaches QEMU as well as us.
      options.signal.throwIfAborted();
      if (failure !== undefined) throw failure;
    } finally {
      options.signal.removeEventListener("abort", abort);
      await machine.stop();
      await removeDir(dir);
    }
  });
}

/**
 * Boots an image in the background and returns when it answers over ssh (`ssh`) or when all its nodes are active
 * (`ready`). The machine survives us; its folder with keys and logs is removed by a later run after it ended. When it
 * does not come so far it is stopped and its folder removed.
 * Throws as {@link runOnTerminal}, and RTK_EMULATE_TIMEOUT, _NODE_FAILED, _HOST_KEY, _SWITCHED_OFF.
 */
export async function runDetached(options: RunOptions, until: Until): Promise<DetachedMachine> {
  return withMachine(
    options,
    { console: "none", detached: true },
    async ({ machine, running, dir, login, started }) => {
      try {
        await giveRuntimeDir(dir, machine.pid);
        await reach(machine, login, until, options);
      } catch (error) {
        await machine.stop();
        await removeDir(dir);
        throw error;
      }
      await machine.leave();
      // QEMU has read them; they are large, and the folder may be in memory.
      await removeDir(join(dir, BOOT_FILES));
      return { ...running, bootSeconds: Math.round((performance.now() - started) / 100) / 10 };
    },
  );
}

/** Waits for ssh or the nodes; throws when the machine ends first or the time is over. */
async function reach(machine: Machine, login: SshLogin, until: Until, options: RunOptions): Promise<void> {
  let stage = "";
  const progress: Progress = (text) => {
    stage = text;
    options.progress(text);
  };
  const giveUp = new AbortController();
  const timer = setTimeout(() => {
    const message = `the machine is not ${until.what === "ssh" ? "up" : "ready"} after ${until.timeoutSeconds} s (${stage})`;
    const error = new RtkitError("RTK_EMULATE_TIMEOUT", withLines(message, machine.lastLines()), {
      hint: "give it longer with --timeout, or watch it boot without --detach",
    });
    giveUp.abort(error);
  }, until.timeoutSeconds * 1000);
  void machine.over.then((failure) => giveUp.abort(failure ?? switchedOff(machine)));
  const signal = AbortSignal.any([options.signal, giveUp.signal]);
  try {
    await (until.what === "ssh" ? waitForSsh : waitForNodes)(login, progress, signal);
  } catch (error) {
    // A wait that is interrupted has an error of its own; what counts is why.
    signal.throwIfAborted();
    throw error;
  } finally {
    clearTimeout(timer);
  }
}

function switchedOff(machine: Machine): RtkitError {
  const message = "the machine was switched off or restarted before it was up";
  return new RtkitError("RTK_EMULATE_SWITCHED_OFF", withLines(message, machine.lastLines()), {
    hint: "watch it boot without --detach",
  });
}

/** Whether a machine is on our terminal or by itself. */
type Manner = { readonly console: "terminal" | "none"; readonly detached: boolean };

/** A machine with what belongs to it. */
interface StartedMachine {
  readonly machine: Machine;
  readonly running: RunningMachine;
  readonly dir: string;
  readonly login: SshLogin;
  /** By performance.now(). */
  readonly started: number;
}

/** Starts a machine and does something with it; anew, with another port, when the port was taken in the meantime. */
async function withMachine<T>(
  options: RunOptions,
  how: Manner,
  work: (started: StartedMachine) => Promise<T>,
): Promise<T> {
  await checkQemu(options);
  await removeDeadRuntimeDirs();
  for (let tries = 1; ; tries += 1) {
    try {
      return await work(await start(options, how));
    } catch (error) {
      if (tries >= PORT_TRIES || !(error instanceof RtkitError) || error.code !== PORT_TAKEN) throw error;
    }
  }
}

async function start(options: RunOptions, how: Manner): Promise<StartedMachine> {
  const { board, signal } = options;
  const dir = await makeRuntimeDir();
  try {
    options.progress("reading the kernel from the image");
    const loaded = await options.loadKernel(join(dir, BOOT_FILES));
    const host = hostArchitecture();
    const accelerator = await chooseAccelerator({ board, host, kernel: loaded.kernel, dir }, signal);
    const keys = { host: makeKeyPair(), user: makeKeyPair() };
    const access = await writeGuestAccess(dir, keys);
    const port = await freePort();
    const ssh: SshAccess = {
      host: "127.0.0.1",
      port,
      user: BOARD_USER,
      key: join(dir, "key"),
      knownHosts: join(dir, "known_hosts"),
      config: join(dir, "ssh-config"),
    };
    await writeFile(ssh.key, keys.user.privateKey, { mode: 0o600 });
    await writeFile(ssh.knownHosts, knownHostsLine(ssh.host, port, keys.host.publicKey), { mode: 0o600 });
    await writeFile(ssh.config, sshConfig(ssh), { mode: 0o600 });
    const serialLog = join(dir, "serial.log");
    const args = qemuArguments({
      board,
      accelerator,
      cpus: options.cpus ?? board.cpus,
      memory: options.memory ?? board.qemu.memory,
      disk: options.image,
      keepWrites: options.keepWrites,
      ...loaded,
      access,
      sshPort: port,
      serialLog,
      console: how.console,
    });
    signal.throwIfAborted();
    const started = performance.now();
    const { console, detached } = how;
    const onTerminal = console === "terminal";
    const machine = await startMachine({ program: qemuProgram(board), args, dir, serialLog, onTerminal, detached });
    const running = { pid: machine.pid, accelerator, ssh, serialLog };
    const login = { ...ssh, privateKey: keys.user.privateKey, hostKey: keys.host.publicKey };
    return { machine, running, dir, login, started };
  } catch (error) {
    await removeDir(dir);
    throw error;
  }
}

async function checkQemu({ board, signal }: RunOptions): Promise<void> {
  try {
    await exec(qemuProgram(board), ["-version"], { signal });
  } catch (error) {
    if (!(error instanceof RtkitError) || error.code !== "RTK_EXEC_MISSING") throw error;
    throw new RtkitError("RTK_EMULATE_QEMU_MISSING", `${qemuProgram(board)} is not installed`, {
      hint: `sudo apt-get install --no-install-recommends ${qemuPackage(board)}`,
      cause: error,
    });
  }
}

async function removeDir(dir: string): Promise<void> {
  await rm(dir, { recursive: true, force: true });
}
