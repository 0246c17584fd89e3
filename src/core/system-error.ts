import { mkdir, mkdtemp, rmdir } from "node:fs/promises";
import { constants } from "node:os";
import { dirname, join } from "node:path";
import { errnoCode, RtkitError } from "./errors.ts";
import { cacheDir } from "./paths.ts";

const FORBIDDEN: Readonly<Record<string, string>> = {
  EACCES: "permission denied",
  EPERM: "operation not permitted",
  EROFS: "read-only file system",
};

/**
 * What a failed system call says of the user's computer: RTK_DISK_FULL where there is no room, RTK_FILE_ACCESS where a file
 * may not be used. Undefined for everything else. `path` stands in the message in place of the call's own.
 */
export function systemError(error: unknown, path?: string): RtkitError | undefined {
  if (!(error instanceof Error)) return undefined;
  const code = codeOf(error);
  const [source, target] = [textOf(error, "path"), textOf(error, "dest")];
  // For inotify(7) it is no disk that is full.
  if ((code === "ENOSPC" && textOf(error, "syscall") !== "watch") || code === "EDQUOT") {
    const at = path ?? target ?? source;
    const where = at === undefined ? "a disk is full" : `no room is left for ${at}`;
    return new RtkitError("RTK_DISK_FULL", `${where} (${code})`, {
      hint: `make room: \`df -h\` says where there is none; rtkit's cache, ${cacheDir()}, may be deleted, or put elsewhere with RTKIT_CACHE`,
      cause: error,
    });
  }
  const reason = code === undefined ? undefined : FORBIDDEN[code];
  if (reason === undefined || source === undefined) return undefined;
  const at = path ?? (target === undefined ? source : `${source} or ${target}`);
  return new RtkitError("RTK_FILE_ACCESS", `cannot use ${at}: ${reason} (${code})`, {
    hint:
      code === "EROFS"
        ? "work in a folder that is mounted for writing"
        : "if an earlier run as root made it, give it to yourself with `sudo chown -R`; else work in a folder that is yours",
    cause: error,
  });
}

/**
 * Makes a folder when it is missing, and finds out whether we can write to it. For before long work whose results go there.
 * Throws RTK_FILE_ACCESS and RTK_DISK_FULL.
 */
export async function requireWritable(dir: string): Promise<void> {
  try {
    await makeFolder(dir);
    // Trying is the one answer that holds for root, for lists of permissions and over a network.
    await rmdir(await mkdtemp(join(dir, ".rtkit-")));
  } catch (error) {
    throw systemError(error, dir) ?? error;
  }
}

/** Of a file system that is read-only, Node 24's recursive mkdir says ENOENT: only a plain one tells. */
async function makeFolder(dir: string): Promise<void> {
  try {
    await mkdir(dir);
  } catch (error) {
    if (errnoCode(error) === "EEXIST") return;
    if (errnoCode(error) !== "ENOENT" || dirname(dir) === dir) throw error;
    await makeFolder(dirname(dir));
    // Recursive, since another build may make it too.
    await mkdir(dir, { recursive: true });
  }
}

/** Like {@link errnoCode}, with the one that Node has no name for. */
function codeOf(error: Error): string | undefined {
  return "errno" in error && error.errno === -constants.errno.EDQUOT ? "EDQUOT" : errnoCode(error);
}

function textOf(error: Error, key: "path" | "dest" | "syscall"): string | undefined {
  const value: unknown = Reflect.get(error, key);
  return typeof value === "string" ? value : undefined;
}
