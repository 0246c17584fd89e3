import type { Toolbox } from "../core/toolbox.ts";
import type { Layer } from "./layer.ts";
import type { OpenTree } from "./tree-index.ts";

/** What a tree's Python can import: the content of `python-modules.json`. */
export interface ImportableModules {
  /** As its library's folder is called, `python3.13`; null where there is no python3. */
  readonly version: string | null;
  /** Top-level names, sorted, each once. */
  readonly modules: readonly string[];
}

/**
 * What the tree's python3 can import: its standard library, Debian's python3-* packages, and what is built into the
 * interpreter (asked of the tools tree's, which is of the same suite). Throws an Error when the tools' Python is another.
 */
export async function pythonModules(tree: OpenTree, tools: Toolbox, signal: AbortSignal): Promise<ImportableModules> {
  const version = tree.byPath.get("usr/bin/python3")?.link;
  if (version === undefined || !/^python3\.\d+$/.test(version)) return { version: null, modules: [] };
  const script = "import sys; print(sys.implementation.cache_tag, *sys.builtin_module_names)";
  const { stdout } = await tools.run("python3", ["-c", script], { signal });
  const [tag, ...builtin] = stdout.trim().split(" ");
  if (tag !== `cpython-${version.slice("python".length).replace(".", "")}`) {
    throw new Error(`the tools' Python is ${tag ?? "unknown"}, the image's is ${version}`);
  }
  return { version, modules: importableNames(tree.entries, importFolders(version), builtin) };
}

/**
 * Top-level module names that layers add to what the packages' Python can import. `version` is that of
 * {@link ImportableModules}: without a Python there is nothing.
 */
export function layerModules(layers: readonly Layer[], version: string | null): string[] {
  if (version === null) return [];
  const entries = layers.flatMap((layer) =>
    // Debian's /lib is a link to usr/lib, and layers may be written through it.
    layer.entries.map(({ path, content }) => ({ path: path.replace(/^lib\//, "usr/lib/"), type: content.kind })),
  );
  return importableNames(entries, importFolders(version), []);
}

/** The folders on Debian's sys.path (`python3 -m site`; /usr/lib/python3/dist-packages and local ones by Debian's site.py). */
function importFolders(version: string): string[] {
  return [
    `usr/lib/${version}`,
    `usr/lib/${version}/lib-dynload`,
    `usr/local/lib/${version}/dist-packages`,
    "usr/lib/python3/dist-packages",
  ];
}

/**
 * The module names that files, links and folders directly in `folders` stand for, and `builtin`, sorted, each once. A
 * link whose name has no ending counts as one to a package's folder.
 */
export function importableNames(
  entries: readonly { readonly path: string; readonly type: string }[],
  folders: readonly string[],
  builtin: readonly string[],
): string[] {
  const names = new Set(builtin);
  for (const { path, type } of entries) {
    const slash = path.lastIndexOf("/");
    if (!folders.includes(path.slice(0, Math.max(slash, 0)))) continue;
    const base = path.slice(slash + 1);
    const isPackage = type === "directory" || (type === "symlink" && !base.includes("."));
    // Extension modules: `_x.cpython-313-aarch64-linux-gnu.so`, `_x.abi3.so`, `_x.so`.
    const name = isPackage ? base : /^(\w+)(?:\.py|(?:\.[\w-]+)?\.so)$/.exec(base)?.[1];
    if (name !== undefined && /^[A-Za-z_]\w*$/.test(name) && name !== "__pycache__") names.add(name);
  }
  return [...names].toSorted();
}
