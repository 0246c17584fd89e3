import { mkdtemp, readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { errnoCode } from "../core/errors.ts";

const PREFIX = "rtkit-run-";
const OWNER = "owner";

/**
 * Makes a private folder (0700) for one machine's keys and logs: in `$XDG_RUNTIME_DIR` (XDG Base Directory
 * Specification: memory, for this user alone), else in the folder for temporary files. It belongs to this process until
 * {@link giveRuntimeDir} gives it to another.
 */
export async function makeRuntimeDir(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const dir = await mkdtemp(join(await runtimeBase(env), PREFIX));
  await giveRuntimeDir(dir, process.pid);
  return dir;
}

/** Notes that a folder is in use for as long as a process lives. */
export async function giveRuntimeDir(dir: string, pid: number): Promise<void> {
  const note = join(dir, `${OWNER}.new`);
  await writeFile(note, `${pid} ${await startTime(pid)}\n`);
  await rename(note, join(dir, OWNER));
}

/** Removes the folders of this user's machines that are gone. */
export async function removeDeadRuntimeDirs(env: NodeJS.ProcessEnv = process.env): Promise<void> {
  const base = await runtimeBase(env);
  for (const name of await readdir(base)) {
    if (!name.startsWith(PREFIX)) continue;
    const dir = join(base, name);
    if (await isAbandoned(dir)) await rm(dir, { recursive: true, force: true });
  }
}

async function runtimeBase(env: NodeJS.ProcessEnv): Promise<string> {
  const xdg = env["XDG_RUNTIME_DIR"];
  if (xdg === undefined || xdg === "") return tmpdir();
  try {
    return (await stat(xdg)).isDirectory() ? xdg : tmpdir();
  } catch (error) {
    // Set, but not there: usual after su or in a container.
    if (errnoCode(error) === "ENOENT") return tmpdir();
    throw error;
  }
}

async function isAbandoned(dir: string): Promise<boolean> {
  try {
    if ((await stat(dir)).uid !== process.getuid?.()) return false;
    const [pid, started] = (await readFile(join(dir, OWNER), "utf8")).trim().split(" ");
    return (await startTime(Number(pid))) !== started;
  } catch (error) {
    // Just made and without its note, or removed by its owner in between.
    if (errnoCode(error) === "ENOENT") return false;
    throw error;
  }
}

/** When a process started, in clock ticks since boot: with its id it names it for good. `gone` when there is none (proc_pid_stat(5), field 22). */
async function startTime(pid: number): Promise<string> {
  try {
    const text = await readFile(`/proc/${pid}/stat`, "utf8");
    // Field 2, the name, may hold blanks and parentheses; field 3 is the first after the last parenthesis.
    const fields = text.slice(text.lastIndexOf(")") + 2).split(" ");
    return fields[0] === "Z" ? "gone" : (fields[19] ?? "gone");
  } catch (error) {
    if (errnoCode(error) === "ENOENT" || errnoCode(error) === "ESRCH") return "gone";
    throw error;
  }
}
