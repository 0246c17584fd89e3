import { basename, dirname, join, relative } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import type { Project } from "../../config/model.ts";
import { watchFolder } from "../../core/watch-folder.ts";

/** What is saved in a project's folder, while it is watched. */
export interface Saves {
  /** Waits until something was saved since the last time, and a moment longer; the paths are relative to the project. */
  readonly next: () => Promise<readonly string[]>;
  readonly close: () => void;
}

/** How long nothing more is to come before a save is taken for whole, ms: editors write beside the file and rename. */
const QUIET_MS = 40;

/** Watches the project's folder, and those of nodes elsewhere: all that a build reads but for installed packages. */
export function watchSaves(project: Project, signal: AbortSignal): Saves {
  const { dir } = project;
  const isBelow = (path: string): boolean => !relative(dir, path).startsWith("..");
  const elsewhere = project.nodes.map(({ entry }) => dirname(entry)).filter((folder) => !isBelow(folder));
  const ignores = (path: string): boolean => path === join(dir, "out") || isIgnored(basename(path));
  const saved = new Set<string>();
  let some = signalOfSave();
  let count = 0;
  const onChange = (path: string): void => {
    count += 1;
    saved.add(relative(dir, path));
    some.resolve();
  };
  const onError = (error: unknown): void => some.reject(error);
  const closers = [dir, ...new Set(elsewhere)].map((folder) => watchFolder(folder, ignores, onChange, onError));
  signal.addEventListener("abort", () => some.reject(signal.reason), { once: true });
  return {
    next: async () => {
      signal.throwIfAborted();
      await some.promise;
      for (let before = -1; before !== count;) {
        before = count;
        await sleep(QUIET_MS, undefined, { signal });
      }
      const paths = [...saved];
      saved.clear();
      some = signalOfSave();
      return paths;
    },
    close: () => closers.forEach((close) => close()),
  };
}

/** It may be rejected while nobody waits for it: during a build. */
function signalOfSave(): PromiseWithResolvers<void> {
  const save = Promise.withResolvers<void>();
  save.promise.catch(() => undefined);
  return save;
}

/** What no build reads, or changes by itself: hidden files, installed packages, Python's byte code. */
function isIgnored(name: string): boolean {
  return name.startsWith(".") || name === "node_modules" || name === "__pycache__";
}
