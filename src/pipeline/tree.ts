import { lstatSync, type BigIntStats } from "node:fs";
import { lstat, readdir, readFile, readlink } from "node:fs/promises";
import { join } from "node:path";
import { digestFile, sha256 } from "./digest.ts";

/** What decides about one path of an output; times, owners and other bits of the mode do not. */
export type TreeEntry =
  | { readonly kind: "file"; readonly size: number; readonly sha256: string; readonly executable: boolean }
  | { readonly kind: "link"; readonly target: string }
  | { readonly kind: "folder" };

/** A whole folder by path relative to it, parents before what they hold; the folder itself is not in it. */
export type Tree = Readonly<Record<string, TreeEntry>>;

const SMALL_BYTES = 1024 ** 2;

/** Describes all that is below a folder. Throws when something is neither file, folder nor link. */
export async function describeTree(dir: string): Promise<Tree> {
  const tree: Record<string, TreeEntry> = {};
  for (const path of (await pathsBelow(dir)).toSorted()) tree[path] = await describePath(join(dir, path));
  return tree;
}

/** All paths below a folder, relative to it. Not readdir's own `recursive`, which goes on through links to folders, out of the tree. */
export async function pathsBelow(dir: string, prefix = ""): Promise<string[]> {
  const paths: string[] = [];
  for (const entry of await readdir(join(dir, prefix), { withFileTypes: true })) {
    const path = join(prefix, entry.name);
    paths.push(path);
    if (entry.isDirectory()) paths.push(...(await pathsBelow(dir, path)));
  }
  return paths;
}

async function describePath(path: string): Promise<TreeEntry> {
  const info = await lstat(path);
  if (info.isSymbolicLink()) return { kind: "link", target: await readlink(path) };
  if (info.isDirectory()) return { kind: "folder" };
  if (!info.isFile()) throw new Error(`${path} is neither file, folder nor link`);
  // A stream costs more than a small file's content.
  const digest = info.size <= SMALL_BYTES ? sha256(await readFile(path)) : await digestFile(path);
  return { kind: "file", size: info.size, sha256: digest, executable: (info.mode & 0o100) !== 0 };
}

/**
 * What the file system knows of each path, in a few digits: the same stamp means that nobody touched it. A folder's
 * tells of names that came and went. The key `.` is the folder itself.
 */
export type Stamps = Readonly<Record<string, string>>;

/** Stamps of the paths that a tree names, or undefined when one of them is not there. */
export function stampTree(dir: string, tree: Tree): Stamps | undefined {
  const stamps: Record<string, string> = {};
  for (const path of [".", ...Object.keys(tree)]) {
    // Asynchronous calls take ten times as long, and this is all that a build without changes waits for.
    const info = lstatSync(join(dir, path), { bigint: true, throwIfNoEntry: false });
    if (info === undefined) return undefined;
    stamps[path] = stamp(info);
  }
  return stamps;
}

function stamp({ ino, size, mtimeNs, ctimeNs }: BigIntStats): string {
  return [ino, size, mtimeNs, ctimeNs].join(" ");
}
