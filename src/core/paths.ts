import { homedir } from "node:os";
import { dirname, isAbsolute, join, relative } from "node:path";
import { fileURLToPath } from "node:url";

/** The folder that holds rtkit's own data: board-configs/, overlays/, the device programs' sources. */
export const rtkitRoot: string = join(dirname(fileURLToPath(import.meta.url)), "..", "..");

/**
 * Where build results are kept between builds: `$RTKIT_CACHE`, else `$XDG_CACHE_HOME/rtkit`, else `~/.cache/rtkit`
 * (XDG Base Directory Specification 0.8).
 */
export function cacheDir(env: NodeJS.ProcessEnv = process.env): string {
  const own = env["RTKIT_CACHE"];
  if (own !== undefined && own !== "") return own;
  const xdg = env["XDG_CACHE_HOME"];
  return join(xdg === undefined || xdg === "" ? join(homedir(), ".cache") : xdg, "rtkit");
}

/** A file's path as messages show it: relative to the working folder when it is below, else as it is. */
export function shownPath(file: string, cwd: string): string {
  if (!isAbsolute(file)) return file;
  const path = relative(cwd, file);
  return path === "" || path.startsWith("..") ? file : path;
}
