import { readdirSync, watch, type Dirent, type FSWatcher } from "node:fs";
import { join, sep } from "node:path";
import { errnoCode, RtkitError } from "./errors.ts";

/**
 * Calls `onChange` with the path of whatever is written, made, renamed or removed in a folder and the folders below, but for
 * those that `ignores` says (by their path). It looks at folders, not at files: a file that an editor replaces by rename is
 * another one under the same name, and Node's own recursive watch stays with the old one. Returns what ends it. Throws
 * RTK_DEPLOY_WATCH when the kernel has no more watches to give; `onError` gets it when that is so for a folder that came later.
 */
export function watchFolder(
  root: string,
  ignores: (path: string) => boolean,
  onChange: (path: string) => void,
  onError: (error: unknown) => void,
): () => void {
  const watchers = new Map<string, FSWatcher>();
  const drop = (folder: string): void => {
    for (const [path, watcher] of watchers) {
      if (path !== folder && !path.startsWith(`${folder}${sep}`)) continue;
      watcher.close();
      watchers.delete(path);
    }
  };
  const add = (folder: string): void => {
    const entries = foldersIn(folder);
    if (entries === undefined) return;
    const watcher = start(folder);
    if (watcher === undefined) return;
    watchers.set(folder, watcher);
    // A folder that is removed ends its watcher, and that is told by the one above.
    watcher.on("error", () => drop(folder));
    watcher.on("change", (kind, name) => {
      const path = join(folder, String(name));
      if (ignores(path)) return;
      try {
        // Another folder may be there now under the name of one that was.
        if (kind === "rename") {
          drop(path);
          add(path);
        }
      } catch (error) {
        onError(error);
      }
      onChange(path);
    });
    for (const { name } of entries) {
      const path = join(folder, name);
      if (!ignores(path)) add(path);
    }
  };
  try {
    add(root);
  } catch (error) {
    drop(root);
    throw error;
  }
  return () => drop(root);
}

/** The folders in a folder; undefined when it is none, or gone. */
function foldersIn(folder: string): Dirent[] | undefined {
  try {
    return readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return undefined;
  }
}

function start(folder: string): FSWatcher | undefined {
  try {
    return watch(folder);
  } catch (error) {
    const code = errnoCode(error);
    if (code === "ENOENT" || code === "ENOTDIR" || code === "EACCES") return undefined;
    if (code !== "ENOSPC" && code !== "EMFILE") throw error;
    throw new RtkitError("RTK_DEPLOY_WATCH", `${folder} cannot be watched: the kernel has no more watches (${code})`, {
      hint: "raise fs.inotify.max_user_watches and fs.inotify.max_user_instances with sysctl, see inotify(7)",
      cause: error,
    });
  }
}
