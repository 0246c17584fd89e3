import { execa } from "execa";
import { accessSync, chmodSync, constants, copyFileSync, existsSync, mkdirSync, readFileSync } from "node:fs";
import { arch } from "node:os";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

/** Debian's name of this machine's architecture. */
export const hostArchitecture: "arm64" | "amd64" = arch() === "arm64" ? "arm64" : "amd64";

/** Where {@link buildDevicePrograms} puts this machine's device programs. */
export const deviceDir: string = join(rtkitRoot, "build", "device", hostArchitecture);

/**
 * Builds the device programs for this machine, and rt-launch.sanitized; test files that run at the same time wait for each
 * other.
 */
export async function buildDevicePrograms(): Promise<void> {
  mkdirSync(join(rtkitRoot, "build"), { recursive: true });
  const folder = join(rtkitRoot, "src", "device");
  const make = ["make", "--silent", "-C", folder, `ARCH=${hostArchitecture}`, "all", "sanitized"];
  await execa("flock", [join(rtkitRoot, "build", ".device-lock"), ...make]);
}

/** What a program did: its exit status, and what it printed. */
export interface Outcome {
  readonly status: number | undefined;
  readonly signal: string | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** Runs a program to its end, whatever its status. */
export async function run(words: readonly string[], env: Record<string, string> = {}): Promise<Outcome> {
  const [file = "", ...args] = words;
  const result = await execa(file, args, {
    env,
    reject: false,
    stripFinalNewline: false,
    killSignal: "SIGKILL",
    timeout: 60_000,
  });
  return { status: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
}

/** Runs rt-launch with these words. */
export function launch(...words: string[]): Promise<Outcome> {
  return launchers["rt-launch"](...words);
}

/** rt-launch as it is on the board, and as it stops at the first wrong access or undefined behaviour, with a report. */
export const launchers = {
  "rt-launch": (...words: string[]) => run([join(deviceDir, "rt-launch"), ...words]),
  // It frees nothing, since it becomes another program or ends.
  "rt-launch.sanitized": (...words: string[]) =>
    run([join(deviceDir, "rt-launch.sanitized"), ...words], { ASAN_OPTIONS: "detect_leaks=0" }),
} as const satisfies Record<string, (...words: string[]) => Promise<Outcome>>;

/** The names of {@link launchers}. */
export const launcherNames = ["rt-launch", "rt-launch.sanitized"] as const;

/**
 * The words that run rt-launch as a user without privileges, with limits lowered by prlimit(1). Root becomes `nobody`;
 * the programs are copied to where nobody may read them.
 */
export function unprivileged(limits: readonly string[]): string[] {
  const dir = scratchDir("rt-launch-");
  chmodSync(dir, 0o755);
  for (const name of ["rt-launch", "librtnode.so"]) copyFileSync(join(deviceDir, name), join(dir, name));
  const drop = process.getuid?.() === 0 ? ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"] : [];
  return ["prlimit", ...limits, ...drop, join(dir, "rt-launch")];
}

/** True when this user may have FIFO 10 and hold the latency device, asked of other programs than ours. */
export async function mayBeRealtime(): Promise<boolean> {
  const chrt = await run(["chrt", "--fifo", "10", "true"]);
  return chrt.status === 0 && latencyDevice() !== "forbidden";
}

/** True when the CPUs have idle states that a process can ask to keep out of. */
export function hasIdleStates(): boolean {
  const driver = "/sys/devices/system/cpu/cpuidle/current_driver";
  return existsSync(driver) && readFileSync(driver, "utf8") !== "none\n";
}

/** Whether /dev/cpu_dma_latency can be used, asked of the file system. Where there are no idle states it may be absent. */
export function latencyDevice(): "absent" | "forbidden" | "writable" {
  try {
    accessSync("/dev/cpu_dma_latency", constants.F_OK);
  } catch {
    return hasIdleStates() ? "forbidden" : "absent";
  }
  try {
    accessSync("/dev/cpu_dma_latency", constants.R_OK | constants.W_OK);
    return "writable";
  } catch {
    return "forbidden";
  }
}

/** A thread's scheduling, from the text of its /proc stat file: fields 40 and 41 of proc_pid_stat(5). */
export function scheduling(stat: string): { policy: number; priority: number; nice: number } {
  const fields = stat
    .slice(stat.lastIndexOf(") ") + 2)
    .split(" ")
    .map(Number);
  return { policy: fields[38] ?? -1, priority: fields[37] ?? -1, nice: fields[16] ?? -99 };
}
