import { open } from "node:fs/promises";
import { cleanPath, indexTar, readEntry, type TarEntry } from "./tar-index.ts";

/** A Debian tree in a tar: what it holds, where, and whose it is. The content of `index.json`. */
export interface TreeIndex {
  readonly entries: readonly TarEntry[];
  /** The Debian package that each path came in, for paths that dpkg knows. */
  readonly packages: Readonly<Record<string, string>>;
  /** Numeric ids by name, from the tree's own /etc/passwd and /etc/group. */
  readonly users: Readonly<Record<string, number>>;
  readonly groups: Readonly<Record<string, number>>;
}

/** A tar that is open, with its entries by path, for reading some files of a tree. */
export interface OpenTree {
  readonly entries: readonly TarEntry[];
  readonly byPath: ReadonlyMap<string, TarEntry>;
  /** The content of a regular file. Throws an Error when there is none of that path. */
  readonly read: (path: string) => Promise<Buffer>;
  readonly close: () => Promise<void>;
}

/** Opens a pax tar and reads its headers. */
export async function openTree(tar: string): Promise<OpenTree> {
  const file = await open(tar);
  try {
    const entries = await indexTar(file);
    const byPath = new Map(entries.map((entry) => [entry.path, entry]));
    return {
      entries,
      byPath,
      read: async (path) => {
        const entry = byPath.get(path);
        const target = entry?.type === "link" ? byPath.get(entry.link) : entry;
        if (target?.type !== "file") throw new Error(`the tree has no file /${path}`);
        return readEntry(file, target);
      },
      close: async () => file.close(),
    };
  } catch (error) {
    await file.close();
    throw error;
  }
}

/** Makes the {@link TreeIndex} of an open tree. */
export async function indexTree(tree: OpenTree): Promise<TreeIndex> {
  const text = async (path: string): Promise<string> => (await tree.read(path)).toString("utf8");
  const packages: Record<string, string> = {};
  for (const { path } of tree.entries) {
    const name = /^var\/lib\/dpkg\/info\/([^/:]+)(?::[^/]+)?\.list$/.exec(path)?.[1];
    if (name === undefined) continue;
    for (const line of (await text(path)).split("\n")) {
      const owned = throughLinks(cleanPath(line), tree.byPath);
      if (owned !== "" && tree.byPath.get(owned)?.type !== "directory") packages[owned] = name;
    }
  }
  return {
    entries: tree.entries,
    packages: Object.fromEntries(Object.entries(packages).toSorted(([a], [b]) => (a < b ? -1 : 1))),
    users: parseIds(await text("etc/passwd")),
    groups: parseIds(await text("etc/group")),
  };
}

/**
 * The path that is really meant when folders above it are symbolic links (`lib/x` → `usr/lib/x` on a merged /usr).
 * The last part itself is not followed. A link that leaves the tree or runs in circles ends at the link.
 */
export function throughLinks(path: string, byPath: ReadonlyMap<string, Pick<TarEntry, "type" | "link">>): string {
  let rest = path.split("/");
  let done: string[] = [];
  for (let hops = 0; rest.length > 1;) {
    const [part = "", ...after] = rest;
    rest = after;
    done = part === ".." ? done.slice(0, -1) : [...done, part];
    const entry = byPath.get(done.join("/"));
    if (entry?.type !== "symlink") continue;
    hops += 1;
    if (hops > MAXIMUM_LINKS) return path;
    const target = cleanPath(entry.link).split("/");
    done = entry.link.startsWith("/") ? [] : done.slice(0, -1);
    rest = [...target, ...rest];
  }
  return [...done, ...rest].join("/");
}

/** As the kernel's MAXSYMLINKS. */
const MAXIMUM_LINKS = 40;

/** Names and numeric ids of a passwd(5) or group(5) file: first and third field. */
function parseIds(text: string): Record<string, number> {
  const ids: Record<string, number> = {};
  for (const line of text.split("\n")) {
    const [name, , id] = line.split(":");
    if (name !== undefined && id !== undefined && /^\d+$/.test(id)) ids[name] = Number(id);
  }
  return ids;
}
