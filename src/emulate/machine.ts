import { open, readFile, type FileHandle } from "node:fs/promises";
import { join } from "node:path";
import { StringDecoder } from "node:string_decoder";
import { setTimeout as sleep } from "node:timers/promises";
import { RtkitError } from "../core/errors.ts";
import { startProcess, type ProcessEnd, type RunningProcess } from "../core/process.ts";
import { faultError, qemuFailure } from "./failures.ts";
import { serialWatcher, type SerialWatcher } from "./serial-watch.ts";

/** What {@link startMachine} starts. */
export interface MachineCommand {
  readonly program: string;
  readonly args: readonly string[];
  /** The machine's private folder. */
  readonly dir: string;
  /** The log that `args` make QEMU write. */
  readonly serialLog: string;
  /** Our standard input and output become the serial console. */
  readonly onTerminal: boolean;
  /** The machine survives us. */
  readonly detached: boolean;
}

/** A machine that was started and is watched. */
export interface Machine {
  readonly pid: number;
  /**
   * Undefined when the machine was switched off, or was told to restart (it does not); else what went wrong: QEMU would
   * not run, or the serial console told of a fault, after which QEMU may still be there. Never rejects.
   */
  readonly over: Promise<RtkitError | undefined>;
  readonly lastLines: () => readonly string[];
  /** Ends QEMU and the watch. */
  readonly stop: () => Promise<void>;
  /** Ends the watch alone. */
  readonly leave: () => Promise<void>;
}

/** How often the log is read, ms. */
const READ_MS = 200;

/** After the first sign of a fault, the time for the lines that explain it, ms. */
const FAULT_MS = 1000;

/** Starts QEMU. */
export async function startMachine(command: MachineCommand): Promise<Machine> {
  const qemuLog = join(command.dir, "qemu.log");
  const terminal = command.onTerminal ? "inherit" : "ignore";
  const stderr = await open(qemuLog, "w");
  let qemu: RunningProcess;
  try {
    qemu = await startProcess(command.program, command.args, {
      // Input that is not typed by anyone is not for the guest: QEMU would take control characters in it for its own.
      stdin: process.stdin.isTTY ? terminal : "ignore",
      stdout: terminal,
      stderr: stderr.fd,
      detached: command.detached,
    });
  } finally {
    await stderr.close();
  }
  const watcher = serialWatcher();
  const watching = new AbortController();
  const over = watch(qemu, command, watcher, watching.signal).then(async (end) => {
    const fault = watcher.fault();
    if (fault !== undefined) return faultError(fault, watcher.lastLines());
    if (end === undefined || (end.status === 0 && end.signal === null)) return undefined;
    return qemuFailure(command, end, await readFile(qemuLog, "utf8"));
  });
  return {
    pid: qemu.pid,
    over,
    lastLines: watcher.lastLines,
    stop: async () => {
      await qemu.stop();
      // The last read of the log, before anyone removes it.
      await over;
    },
    leave: async () => {
      watching.abort();
      await over;
    },
  };
}

/** Feeds the log to the watcher until QEMU ends (returns how), a fault is seen, or the signal aborts. */
async function watch(
  qemu: RunningProcess,
  command: MachineCommand,
  watcher: SerialWatcher,
  signal: AbortSignal,
): Promise<ProcessEnd | undefined> {
  const reader = await logReader(command.serialLog);
  try {
    while (!signal.aborted) {
      const end = await endWithin(qemu, READ_MS);
      if (signal.aborted) return undefined;
      watcher.feed(await reader.next());
      if (end !== undefined) return end;
      if (watcher.fault() === undefined) continue;
      const last = await endWithin(qemu, FAULT_MS);
      watcher.feed(await reader.next());
      return last;
    }
    return undefined;
  } finally {
    await reader.close();
  }
}

async function endWithin(qemu: RunningProcess, ms: number): Promise<ProcessEnd | undefined> {
  const waiting = new AbortController();
  const pause = sleep(ms, undefined, { signal: waiting.signal }).catch(() => undefined);
  const end = await Promise.race([qemu.ended, pause]);
  waiting.abort();
  return end;
}

interface LogReader {
  /** What was written since the last call. */
  readonly next: () => Promise<string>;
  readonly close: () => Promise<void>;
}

async function logReader(path: string): Promise<LogReader> {
  // Made here, so that it can be read before QEMU opens it.
  const file: FileHandle = await open(path, "a+", 0o600);
  const decoder = new StringDecoder("utf8");
  const buffer = Buffer.alloc(65536);
  let position = 0;
  const next = async (): Promise<string> => {
    let text = "";
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, position);
      if (bytesRead === 0) return text;
      position += bytesRead;
      text += decoder.write(buffer.subarray(0, bytesRead));
    }
  };
  return { next, close: () => file.close() };
}
