import { dirname, relative } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Project } from "../../config/model.ts";
import { RtkitError, usageError } from "../../core/errors.ts";
import { requireWritable } from "../../core/system-error.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";
import type { Sources } from "../../rootfs/downloads.ts";
import {
  describeMove,
  imageSet,
  movedPackages,
  releaseTime,
  unmetDemands,
  type BoardLock,
  type PackageMove,
} from "../../rootfs/lock.ts";
import { lockPath, readLock, writeBoardLock } from "../../rootfs/lock-file.ts";
import { chooseMirror, snapshotMirror, type DebianMirror } from "../../rootfs/mirror.ts";
import { chooseNodejs } from "../../rootfs/nodejs.ts";
import { DEBIAN_NODEJS, packageDemand } from "../../rootfs/package-list.ts";
import { resolveLock } from "../../rootfs/resolve.ts";

/** What a build or an update found about the board's section of the lock. */
export interface BoardPackages {
  readonly lock: BoardLock;
  /** Where the packages of the lock come from. */
  readonly sources: Sources;
  /** What moved; empty when the lock was as it should be. */
  readonly moved: readonly PackageMove[];
  readonly lockChange: LockChange;
}

/** What became of the board's section: taken as it is, made for the first time, or another one now (or would be). */
export type LockChange = "none" | "new" | "changed";

/** The step as plans show it. */
export const LOCK_STEP = { name: "lock", title: "Package lock" } as const;

/** What to do with the lock: take it (and mend it where the project asks for more), refuse to change it, or move it. */
export type LockMode = "use" | "locked" | "update" | "preview";

/**
 * The packages of a project's image: from `rtkit.lock` when it has them, else from the archive, and then the lock is
 * written. `locked` throws RTK_LOCK_DRIFT instead; `update` asks the archive in any case, `preview` does so and writes
 * nothing. Otherwise throws RTK_LOCK_INVALID, RTK_NODEJS_TWICE, RTK_FILE_ACCESS where no lock can be written, and what
 * {@link resolveLock} and {@link chooseNodejs} throw.
 */
export async function lockedPackages(
  context: Context,
  project: Project,
  options: { readonly mirror: string | undefined; readonly mode: LockMode },
): Promise<BoardPackages> {
  const { board } = project;
  const path = lockPath(project.dir);
  const demand = packageDemand(project);
  const mirror = demand.snapshot === null ? await chooseMirror(options.mirror) : snapshotMirror(demand.snapshot);
  const before = (await readLock(path))?.boards[board.name];
  const unmet = unmetDemands(before, demand);
  const asks = options.mode === "update" || options.mode === "preview";
  if (before !== undefined && unmet.length === 0 && !asks) {
    requireOneNodejs(before, project);
    return { lock: before, sources: sourcesOf(before, mirror), moved: [], lockChange: "none" };
  }
  if (options.mode === "locked") throw drift(path, unmet);
  // Here another lock is written for certain, once the archive was asked.
  if (options.mode === "use") await requireWritable(dirname(path));
  return showAsStep(context, LOCK_STEP.name, async () => {
    const step = {
      ...context,
      progress: (text: string): void => context.emit({ type: "progress", name: LOCK_STEP.name, text }),
    };
    // Another package in the project file is no reason to move the others. Another suite or snapshot is.
    const sameArchive = before?.suite === demand.suite && before.snapshot === demand.snapshot;
    const keep = !asks && sameArchive ? before : undefined;
    const nodejs = await chooseNodejs(step, demand, { before, move: asks, project });
    const found = { ...(await resolveLock(step, demand, { mirror, keep })), nodejs };
    requireOneNodejs(found, project);
    const moved = movedPackages(before, found);
    // Dates are part of every file system: a new one for the same base system would make everything anew for nothing.
    const lock = before !== undefined && isSameSystem(before, found) ? { ...found, releases: before.releases } : found;
    if (options.mode !== "preview") await writeBoardLock(context, path, board.name, lock);
    const isSame = moved.length === 0 && unmet.length === 0;
    const lockChange = before === undefined ? "new" : isSame ? "none" : "changed";
    return { lock, sources: sourcesOf(lock, mirror), moved, lockChange };
  });
}

/** Lines that say what moved, at most `most` of them. */
export function describeMoves(moved: readonly PackageMove[], most = Infinity): string[] {
  const lines = moved.slice(0, most).map((move) => `  ${describeMove(move)}`);
  return moved.length > most ? [...lines, `  and ${moved.length - most} more`] : lines;
}

/** A snapshot from six hours after the lock's state has the packages of that state: it is taken four times a day. */
function sourcesOf(lock: BoardLock, mirror: DebianMirror): Sources {
  if (mirror.dated === true) return { mirror, fallback: undefined };
  const after = new Date((releaseTime(lock) + 6 * 3600) * 1000);
  const time = after.toISOString().replaceAll(/[-:]|\.\d+/g, "");
  return { mirror, fallback: snapshotMirror(time) };
}

/** Debian's Node.js and the official build are one file; image.packages may bring the first behind the second. */
function requireOneNodejs(lock: BoardLock, { file }: Project): void {
  if (lock.nodejs === null || !imageSet(lock).some(({ name }) => name === DEBIAN_NODEJS)) return;
  throw usageError("RTK_NODEJS_TWICE", "image.packages bring Debian's nodejs, and image.node is another Node.js", {
    where: { file: relative(process.cwd(), file) },
    hint: "remove from image.packages nodejs and what depends on it, or remove image.node",
  });
}

/** Whether two locks have the same packages but for those of the project. */
function isSameSystem(a: BoardLock, b: BoardLock): boolean {
  return isDeepStrictEqual([a.base, a.tools], [b.base, b.tools]);
}

function drift(path: string, unmet: readonly string[]): RtkitError {
  return usageError("RTK_LOCK_DRIFT", `rtkit.lock is not what the project asks for:\n  ${unmet.join("\n  ")}`, {
    where: { file: relative(process.cwd(), path) },
    hint: "build without --locked, which mends the lock, and put it under version control",
  });
}
