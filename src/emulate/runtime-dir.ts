import { readdir, readFile, rename, rm, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../core/errors.ts";
import { makeTempDir, tempBase, type TempBase } from "../core/temp-dir.ts";

const PREFIX = "rtkit-run-";
const OWNER = "owner";

/**
 * Makes a private folder (0700) for one machine's keys and logs: in `$XDG_RUNTIME_DIR` (XDG Base Directory
 * Specification: memory, for this user alone), else in the folder for temporary files. It belongs to this process until
 * {@link giveRuntimeDir} gives it to another. Throws RTK_TMPDIR where there can be none.
 */
export async function makeRuntimeDir(env: NodeJS.ProcessEnv = process.env): Promise<string> {
  const dir = await makeTempDir(PREFIX, await runtimeBase(env));
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
  const { dir: base } = await runtimeBase(env);
  // Where nothing can be listed, making a folder says what is wrong.
  for (const name of await readdir(base).catch(() => [])) {
    if (!name.startsWith(PREFIX)) continue;
    const dir = join(base, name);
    if (await isAbandoned(dir)) await rm(dir, { recursive: true, force: true });
  }
}

/**
 * `$XDG_RUNTIME_DIR` when it is a folder that belongs to us, as the XDG Base Directory Specification demands. After su, sudo
 * or in a container it may be another user's, or not there.
 */
async function runtimeBase(env: NodeJS.ProcessEnv): Promise<TempBase> {
  const dir = env["XDG_RUNTIME_DIR"];
  if (dir === undefined || dir === "") return tempBase();
  const info = await stat(dir).catch(() => undefined);
  const isOurs = info?.isDirectory() === true && info.uid === process.getuid?.();
  return isOurs ? { dir, variable: "XDG_RUNTIME_DIR" } : tempBase();
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
