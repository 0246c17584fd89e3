import { open, stat } from "node:fs/promises";
import { homedir } from "node:os";
import { join, resolve } from "node:path";
import { errnoCode } from "../core/errors.ts";
import { fragmentNames } from "./boards.ts";
import type { PartialProjectInput } from "./project-schema.ts";

/** What stands at a path that the project file names. */
export interface FileFact {
  /** Absolute. */
  readonly path: string;
  readonly kind: "file" | "folder" | "missing" | "unreadable" | "special";
  /** The file's beginning, at most {@link HEAD_BYTES}; empty for everything but a file. */
  readonly head: Buffer;
}

/** What rules need to know of the project's files; gathered before, so that the rules themselves are pure. */
export interface ProjectFacts {
  /** The folder of the project file. */
  readonly dir: string;
  /** By node name. */
  readonly entries: ReadonlyMap<string, FileFact>;
  /** By index in `image.ssh.authorized_keys`; those that are literal key lines have none. */
  readonly keyFiles: ReadonlyMap<number, FileFact>;
  /** The same of `image.signers`. */
  readonly signerFiles: ReadonlyMap<number, FileFact>;
  /** overlay.yaml of each of `image.overlays`, by index, and the folder itself. */
  readonly overlays: readonly { readonly folder: FileFact; readonly description: FileFact }[];
  readonly kernel: KernelFacts;
}

/** What stands at the paths of the project file's section `kernel`. */
export interface KernelFacts {
  /** The folder that `kernel.source` names, and the Kconfig in it; null when it names none. */
  readonly source: { readonly folder: FileFact; readonly kconfig: FileFact } | null;
  /** By index in `kernel.fragments`; those that are names have none. */
  readonly fragments: ReadonlyMap<number, FileFact>;
  readonly patches: readonly FileFact[];
  /** Names of the fragments that rtkit brings. */
  readonly known: readonly string[];
}

/** Enough for every key of a person's authorized_keys; more than enough to tell what a program is. */
const HEAD_BYTES = 64 * 1024;

/** Looks at every file that the project file names. Paths are relative to `dir`; `~` is `env.HOME`. */
export async function gatherFacts(
  input: PartialProjectInput,
  dir: string,
  env: NodeJS.ProcessEnv,
): Promise<ProjectFacts> {
  const entries = new Map<string, FileFact>();
  for (const [name, node] of Object.entries(input.nodes ?? {})) {
    entries.set(name, await factOf(resolve(dir, node.entry)));
  }
  const keyFiles = await keyFacts(input.image?.ssh?.authorized_keys ?? [], dir, env);
  const signerFiles = await keyFacts(input.image?.signers ?? [], dir, env);
  const overlays: { folder: FileFact; description: FileFact }[] = [];
  for (const overlay of input.image?.overlays ?? []) {
    const folder = resolve(dir, overlay);
    overlays.push({ folder: await factOf(folder), description: await factOf(join(folder, "overlay.yaml")) });
  }
  return { dir, entries, keyFiles, signerFiles, overlays, kernel: await kernelFacts(input.kernel ?? {}, dir) };
}

async function kernelFacts(kernel: NonNullable<PartialProjectInput["kernel"]>, dir: string): Promise<KernelFacts> {
  const fragments = new Map<number, FileFact>();
  for (const [index, item] of (kernel.fragments ?? []).entries()) {
    if (isFragmentPath(item)) fragments.set(index, await factOf(resolve(dir, item)));
  }
  const patches = await Promise.all((kernel.patches ?? []).map(async (path) => factOf(resolve(dir, path))));
  const folder = kernel.source === undefined || kernel.source === "debian" ? null : resolve(dir, kernel.source);
  const source =
    folder === null ? null : { folder: await factOf(folder), kconfig: await factOf(join(folder, "Kconfig")) };
  return { source, fragments, patches, known: await fragmentNames() };
}

/** Whether an item of `kernel.fragments` is a file, not the name of a fragment that rtkit brings. */
function isFragmentPath(item: string): boolean {
  return item.includes("/") || item.endsWith(".config");
}

async function keyFacts(
  items: readonly string[],
  dir: string,
  env: NodeJS.ProcessEnv,
): Promise<ReadonlyMap<number, FileFact>> {
  const facts = new Map<number, FileFact>();
  for (const [index, item] of items.entries()) {
    if (isKeyPath(item)) facts.set(index, await factOf(resolve(dir, atHome(item, env))));
  }
  return facts;
}

/** Whether an item of a list of keys names a file. Key lines, and what may be a secret pasted here, do not. */
function isKeyPath(item: string): boolean {
  return (
    item.length < 256 &&
    !/^(ssh-|ecdsa-|sk-|PuTTY-)|-----BEGIN|[\n\0]|^[A-Za-z0-9+][A-Za-z0-9+/=]{39,}$/.test(item.trim())
  );
}

function atHome(path: string, env: NodeJS.ProcessEnv): string {
  if (path !== "~" && !path.startsWith("~/")) return path;
  return join(env["HOME"] ?? homedir(), path.slice(1));
}

async function factOf(path: string): Promise<FileFact> {
  const nothing = Buffer.alloc(0);
  try {
    const stats = await stat(path);
    if (stats.isDirectory()) return { path, kind: "folder", head: nothing };
    // A FIFO or device could block or never end.
    if (!stats.isFile()) return { path, kind: "special", head: nothing };
    return { path, kind: "file", head: await readHead(path) };
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    return { path, kind: code === "ENOENT" || code === "ENOTDIR" ? "missing" : "unreadable", head: nothing };
  }
}

async function readHead(path: string): Promise<Buffer> {
  const file = await open(path, "r");
  try {
    const { bytesRead, buffer } = await file.read(Buffer.alloc(HEAD_BYTES), 0, HEAD_BYTES, 0);
    return buffer.subarray(0, bytesRead);
  } finally {
    await file.close();
  }
}
