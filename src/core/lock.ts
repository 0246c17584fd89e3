import { closeSync, fstatSync, mkdirSync, openSync, rmSync, statSync } from "node:fs";
import { dirname } from "node:path";
import { errnoCode, RtkitError } from "./errors.ts";
import { startProcess } from "./process.ts";

/** A file that is locked until it is released or we die, however we die. */
export interface Lock {
  readonly path: string;
  /** Removes the file and gives the lock up. */
  readonly release: () => void;
}

/**
 * Locks a file, which is made when missing (flock(2), exclusive). The kernel keeps the lock, so it is gone with its holder
 * and holds between containers too, where process ids say nothing. With `wait` it waits until the file is free or
 * `signal` aborts, else it returns undefined when somebody else has it. Throws RTK_CACHE_LOCK where files cannot be locked,
 * RTK_CACHE_WRITE where we may not make any.
 */
export async function lockFile(
  path: string,
  options: { readonly wait: boolean; readonly signal?: AbortSignal },
): Promise<Lock | undefined> {
  for (;;) {
    options.signal?.throwIfAborted();
    // A number, since Node closes a FileHandle that nobody refers to, and with it the lock would be gone.
    const fd = openForWriting(path);
    try {
      if (!(await flock(fd, path, options))) {
        closeSync(fd);
        return undefined;
      }
      // The last holder may have removed the file that we waited for.
      if (fstatSync(fd).ino === statSync(path, { throwIfNoEntry: false })?.ino) {
        const release = (): void => {
          rmSync(path, { force: true });
          closeSync(fd);
        };
        return { path, release };
      }
    } catch (error) {
      closeSync(fd);
      throw error;
    }
    closeSync(fd);
  }
}

function openForWriting(path: string): number {
  try {
    mkdirSync(dirname(path), { recursive: true });
    return openSync(path, "a");
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined || !["EACCES", "EPERM", "EROFS"].includes(code)) throw error;
    throw new RtkitError("RTK_CACHE_WRITE", `cannot write to the cache: ${path} (${code})`, {
      hint: "if another user, or root, made its folder, remove that; or put the cache elsewhere: export RTKIT_CACHE=/path/of/yours",
      cause: error,
    });
  }
}

/** flock(1) locks the open file that it shares with us, and ends; the lock stays as long as we have the file open. */
async function flock(
  fd: number,
  path: string,
  { wait, signal }: { readonly wait: boolean; readonly signal?: AbortSignal },
): Promise<boolean> {
  const args = ["--exclusive", ...(wait ? [] : ["--nonblock"]), "0"];
  const program = await startProcess("flock", args, { stdin: fd, stdout: "ignore", stderr: "ignore", detached: false });
  const stop = (): void => void program.stop();
  signal?.addEventListener("abort", stop);
  if (signal?.aborted === true) stop();
  const { status } = await program.ended;
  signal?.removeEventListener("abort", stop);
  signal?.throwIfAborted();
  if (status === 0) return true;
  if (status === 1 && !wait) return false;
  throw new RtkitError("RTK_CACHE_LOCK", `cannot lock ${path}`, {
    hint: "put the cache on a file system that can lock files: export RTKIT_CACHE=/path/on/a/local/disk",
  });
}
