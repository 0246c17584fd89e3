import { existsSync } from "node:fs";
import { mkdir, readFile, rename, rm, utimes, writeFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { exec } from "../core/exec.ts";
import { lockFile, type Lock } from "../core/lock.ts";
import { removeTree } from "../core/remove.ts";
import type { Toolchain } from "../core/toolchain.ts";
import { stepLock, temporaryPath } from "../pipeline/builds.ts";
import { digestFile, digestOf, type Json } from "../pipeline/digest.ts";
import type { StepContext } from "../pipeline/step.ts";
import { describeTree } from "../pipeline/tree.ts";
import { applyPatch } from "./patch.ts";

/** What a kernel is made from, before it is unpacked. */
export type KernelOrigin =
  /** Debian's source package: `fetch` downloads it and returns its path. */
  | {
      readonly kind: "debian";
      readonly sha256: string;
      readonly version: string;
      readonly fetch: (step: StepContext) => Promise<string>;
    }
  /** A folder of the user's. Its copy in the cache, made by {@link copyFolder}, is what is compiled. */
  | { readonly kind: "folder"; readonly path: string; readonly copy: FolderCopy };

/** A copy of a folder, as it was when it was made. */
export interface FolderCopy {
  readonly dir: string;
  /** Over names and contents of its files. */
  readonly digest: string;
}

/** A patch of the project. */
export interface Patch {
  /** Absolute. */
  readonly path: string;
  readonly sha256: string;
}

/** A kernel's source with its patches. */
export interface KernelSource {
  readonly origin: KernelOrigin;
  readonly patches: readonly Patch[];
}

/** The cache's folder of unpacked sources and of builds that go on where they stopped. */
const SHELF = "kernel-work";

/** What is no source: what a build in the folder itself left there (the kernel's own .gitignore), and its history. */
const NO_SOURCE: readonly string[] = [
  "/.git",
  "/.config",
  "/.config.old",
  "/Module.symvers",
  "/System.map",
  "/arch/*/include/generated",
  "/debian",
  "/include/config",
  "/include/generated",
  "/modules.builtin*",
  "/vmlinux*",
  "*.a",
  "*.dtb",
  "*.dtbo",
  "*.ko",
  "*.mod",
  "*.mod.c",
  "*.o",
  ".*.cmd",
  ".*.d",
  "modules.order",
];

/**
 * Files are compared by their content, not by size and time: a tarball's are older than yesterday's objects, and make goes
 * by the time. Pipes and sockets are no source.
 */
const COPY_OPTIONS: readonly string[] = [
  "--recursive",
  "--links",
  "--perms",
  "--checksum",
  "--delete",
  "--out-format=%i %n",
  "--info=nonreg0",
  ...NO_SOURCE.map((pattern) => `--exclude=${pattern}`),
];

/** Debian's linux-source packages have one tarball, and that one folder. */
const UNPACK_SCRIPT = [
  "set -eu",
  'dpkg-deb --fsys-tarfile "/origin/$1" | tar --extract --to-stdout --wildcards "./usr/src/linux-source-*.tar.xz" |',
  "  tar --extract --xz --directory /build --strip-components=1 --no-same-owner",
].join("\n");

/** What decides what is compiled: part of the inputs of the steps that read the source. */
export function sourceInputs({ origin, patches }: KernelSource): Json {
  return {
    origin: origin.kind === "debian" ? origin.sha256 : origin.copy.digest,
    patches: patches.map(({ sha256 }) => sha256),
  };
}

/**
 * What decides whether a build can go on in the same folder: unlike {@link sourceInputs}, not the content of a user's folder,
 * whose copy gets new times where it changes. A patched copy is made anew for each content, and an older one has older times.
 */
export function workKey(source: KernelSource): Json {
  const { origin, patches } = source;
  return origin.kind === "folder" && patches.length === 0 ? { folder: origin.path } : sourceInputs(source);
}

/** Patches by their paths, with the hash of each. */
export async function readPatches(paths: readonly string[]): Promise<Patch[]> {
  return Promise.all(paths.map(async (path) => ({ path, sha256: await digestFile(path) })));
}

/**
 * Copies a kernel's source tree, or brings its copy up to date: only what changed is written, so that only that is
 * compiled again. What is written is new to make, however old the user's file is.
 */
export async function copyFolder(step: StepContext, toolchain: Toolchain, path: string): Promise<FolderCopy> {
  return inWorkFolder(step, `copy-${digestOf(path)}`, async (work) => {
    const dir = join(work, "tree");
    const note = join(work, "digest");
    await mkdir(dir, { recursive: true });
    const known = await readFile(note, "utf8").catch(() => "");
    // Whoever is interrupted from here on leaves a copy of which nothing is known.
    await rm(note, { force: true });
    step.progress("comparing the source with its copy");
    const { stdout } = await toolchain.run(["rsync", ...COPY_OPTIONS, "/origin/", "/build/"], {
      mounts: [
        { from: path, to: "/origin", readOnly: true },
        { from: dir, to: "/build" },
      ],
      signal: step.signal,
    });
    // A power cut may leave the note empty.
    const digest = stdout === "" && known !== "" ? known : await digestOfTree(step, dir);
    await writeFile(`${note}.new`, digest);
    await rename(`${note}.new`, note);
    return { dir, digest };
  });
}

async function digestOfTree(step: StepContext, dir: string): Promise<string> {
  step.progress("reading the source");
  return digestOf((await describeTree(dir)) as unknown as Json);
}

/** Unpacks and patches a source; what was once unpacked is taken as it is. Returns its folder. Throws RTK_KERNEL_PATCH. */
export async function prepareSource(step: StepContext, toolchain: Toolchain, source: KernelSource): Promise<string> {
  const { origin, patches } = source;
  const pristine = origin.kind === "folder" ? origin.copy.dir : await unpackDebian(step, toolchain, origin);
  if (patches.length === 0) return pristine;
  return onceInWork(step, `patched-${digestOf(sourceInputs(source))}`, async (dir) => {
    step.progress("applying patches");
    // patch(1) writes a new file and renames it, so what both trees have stays one file.
    await exec("cp", ["--archive", "--link", `${pristine}/.`, dir], { signal: step.signal });
    for (const patch of patches) await applyPatch(step, toolchain, patch.path, dir);
  });
}

async function unpackDebian(
  step: StepContext,
  toolchain: Toolchain,
  origin: Extract<KernelOrigin, { kind: "debian" }>,
): Promise<string> {
  return onceInWork(step, `source-${origin.sha256}`, async (dir) => {
    const file = await origin.fetch(step);
    step.progress("unpacking the source");
    await toolchain.run(["sh", "-c", UNPACK_SCRIPT, "sh", basename(file)], {
      mounts: [
        { from: join(file, ".."), to: "/origin", readOnly: true },
        { from: dir, to: "/build" },
      ],
      signal: step.signal,
    });
  });
}

/** A folder of the cache that is filled once; it appears by rename. */
async function onceInWork(step: StepContext, name: string, fill: (dir: string) => Promise<void>): Promise<string> {
  return inWorkFolder(step, name, async (work) => {
    const tree = join(work, "tree");
    if (existsSync(tree)) return tree;
    const temporary = await temporaryPath(step.cacheDir, SHELF);
    await mkdir(temporary);
    try {
      await fill(temporary);
      await rename(temporary, tree);
    } finally {
      await removeTree(temporary);
    }
    return tree;
  });
}

/** Works in a folder that stays in the cache, as the only one of all builds that does; using it keeps it from being given up. */
export async function inWorkFolder<T>(step: StepContext, name: string, work: (dir: string) => Promise<T>): Promise<T> {
  const dir = join(step.cacheDir, SHELF, name);
  const lock = await waitFor(step, stepLock(step.cacheDir, name));
  try {
    await mkdir(dir, { recursive: true });
    const now = new Date();
    await utimes(dir, now, now);
    return await work(dir);
  } finally {
    lock.release();
  }
}

async function waitFor({ signal, progress }: StepContext, path: string): Promise<Lock> {
  const free = await lockFile(path, { wait: false });
  if (free !== undefined) return free;
  progress("waiting for another build that uses the same source");
  const lock = await lockFile(path, { wait: true, signal });
  if (lock === undefined) throw new Error("a file that was waited for is not locked");
  return lock;
}
