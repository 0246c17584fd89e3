import type { Toolbox } from "../core/toolbox.ts";
import type { OpenTree } from "./tree-index.ts";

/**
 * Top-level module names that the tree's python3 can import, sorted: its standard library, Debian's python3-*
 * packages, and what is built into the interpreter (asked of the tools tree's, which is of the same suite). Empty
 * when the tree has no python3.
 */
export async function pythonModules(tree: OpenTree, tools: Toolbox, signal: AbortSignal): Promise<string[]> {
  const version = tree.byPath.get("usr/bin/python3")?.link;
  if (version === undefined || !/^python3\.\d+$/.test(version)) return [];
  const script = "import sys; print(sys.implementation.cache_tag, *sys.builtin_module_names)";
  const { stdout } = await tools.run("python3", ["-c", script], { signal });
  const [tag, ...builtin] = stdout.trim().split(" ");
  if (tag !== `cpython-${version.slice("python".length).replace(".", "")}`) {
    throw new Error(`the tools' Python is ${tag ?? "unknown"}, the image's is ${version}`);
  }
  const folders = [`usr/lib/${version}`, `usr/lib/${version}/lib-dynload`, "usr/lib/python3/dist-packages"];
  return importableNames(
    tree.entries.map(({ path, type }) => ({ path, directory: type === "directory" })),
    folders,
    builtin,
  );
}

/** The module names that files and folders directly in `folders` stand for, and `builtin`, sorted, each once. */
export function importableNames(
  entries: readonly { readonly path: string; readonly directory: boolean }[],
  folders: readonly string[],
  builtin: readonly string[],
): string[] {
  const names = new Set(builtin);
  for (const { path, directory } of entries) {
    const slash = path.lastIndexOf("/");
    if (!folders.includes(path.slice(0, Math.max(slash, 0)))) continue;
    const base = path.slice(slash + 1);
    // Extension modules: `_x.cpython-313-aarch64-linux-gnu.so`, `_x.abi3.so`, `_x.so`.
    const name = directory ? base : /^(\w+)(?:\.py|(?:\.[\w-]+)?\.so)$/.exec(base)?.[1];
    if (name !== undefined && /^[A-Za-z_]\w*$/.test(name) && name !== "__pycache__") names.add(name);
  }
  return [...names].toSorted();
}
