import { throwIfAny, usageError, type Place, type RtkitError } from "../core/errors.ts";
import { isDerivedAtBoot } from "./derived-files.ts";
import { contentSize, type Layer, type LayerContent, type LayerEntry } from "./layer.ts";
import type { TarEntry } from "./tar-index.ts";
import { throughLinks, type TreeIndex } from "./tree-index.ts";

/** Raised when {@link planLayers} makes another plan of the same tree and layers. */
export const PLAN_REVISION = 2;

/** See ConditionNeedsUpdate= in systemd.unit(5). */
const UPDATED = "etc/.updated";

/** What a layered tar holds, in order: {@link layeredTar} in layer-tar.ts writes it. */
export interface LayerPlan {
  readonly pieces: readonly LayerPiece[];
  /** Bytes of all files. */
  readonly bytes: number;
  /** Files, folders and links. */
  readonly entries: number;
}

/** A piece of the layered tar. */
export type LayerPiece =
  /** Bytes of the packages' tar, as they are. */
  | { readonly kind: "keep"; readonly offset: number; readonly length: number }
  | { readonly kind: "add"; readonly entry: PlacedEntry };

/** An entry of a layer with its real path and its owner as numbers. */
export interface PlacedEntry {
  readonly path: string;
  readonly content: LayerContent;
  readonly mode: number;
  readonly uid: number;
  readonly gid: number;
}

/** What is at a path while layers are put on. */
interface Occupant {
  readonly type: TarEntry["type"];
  readonly link: string;
  /** For messages. */
  readonly owner: string;
  readonly tar?: TarEntry;
  readonly placed?: PlacedEntry;
}

/**
 * Puts layers over a tree of packages. Throws, all at once: RTK_OVERLAY_COLLISION (a file of a package or of a lower
 * layer is overwritten without `replaces`), RTK_OVERLAY_KIND (a file where a folder is, or the other way round),
 * RTK_OVERLAY_STALE (`replaces` that replaces nothing), RTK_OVERLAY_OWNER (no such user or group), RTK_OVERLAY_LINK.
 */
export function planLayers(tree: TreeIndex, layers: readonly Layer[]): LayerPlan {
  const errors: RtkitError[] = [];
  const occupants = new Map<string, Occupant>();
  for (const entry of tree.entries) {
    occupants.set(entry.path, {
      type: entry.type,
      link: entry.link,
      owner: packageOwner(tree, entry.path),
      tar: entry,
    });
  }
  const linkTargets = new Set(tree.entries.filter(({ type }) => type === "link").map(({ link }) => link));
  for (const layer of layers) putLayer(layer, { tree, occupants, linkTargets, errors });
  throwIfAny(errors);
  askForRefresh(occupants);
  return orderPieces(tree, occupants);
}

/**
 * The packages' /etc/.updated says that all is derived from the files that are there. Without it the first boot does that
 * again, and writes a new one (systemd-update-done.service(8)).
 */
function askForRefresh(occupants: Map<string, Occupant>): void {
  if (occupants.get(UPDATED)?.placed !== undefined) return;
  const isPending = ({ placed }: Occupant): boolean =>
    placed !== undefined && placed.content.kind !== "directory" && isDerivedAtBoot(placed.path);
  if ([...occupants.values()].some(isPending)) occupants.delete(UPDATED);
}

interface Ground {
  readonly tree: TreeIndex;
  readonly occupants: Map<string, Occupant>;
  readonly linkTargets: ReadonlySet<string>;
  readonly errors: RtkitError[];
}

function putLayer(layer: Layer, ground: Ground): void {
  const { occupants, errors } = ground;
  const replaced = new Set<string>();
  /** Folders that were refused: what is below them is the same mistake. */
  const closed = new Set<string>();
  const refuse = (code: string, message: string, where: Place, hint: string): void => {
    errors.push(usageError(code, message, { where, hint }));
  };
  for (const entry of layer.entries) {
    if (ancestors(entry.path).some((folder) => closed.has(folder))) continue;
    const path = throughLinks(entry.path, occupants);
    const blocked = ancestors(path).find((folder) => !isOpen(occupants.get(folder)));
    if (blocked !== undefined) {
      const there = occupants.get(blocked);
      const message = `/${entry.path} of ${layer.name} needs a folder at /${blocked}, which is a ${there?.type ?? "file"} of ${there?.owner ?? "another"}`;
      refuse("RTK_OVERLAY_KIND", message, entry.where, "choose another path");
      continue;
    }
    const there = occupants.get(path);
    const { content } = entry;
    if (content.kind === "directory") {
      // A folder that was not declared may well be a link to the real one: files below it follow the link.
      if (!content.declared && there !== undefined && (there.type === "directory" || there.type === "symlink"))
        continue;
      if (there !== undefined && there.type !== "directory") {
        const message = `/${entry.path} is a folder in ${layer.name} and a ${there.type} in ${there.owner}`;
        closed.add(entry.path);
        refuse("RTK_OVERLAY_KIND", message, entry.where, "choose another path");
        continue;
      }
    } else if (there !== undefined) {
      if (there.type === "directory") {
        const message = `/${entry.path} is a file in ${layer.name} and a folder in ${there.owner}`;
        refuse("RTK_OVERLAY_KIND", message, entry.where, "choose another path");
        continue;
      }
      if (!layer.replaces.has(entry.path)) {
        const message = `/${entry.path} of ${layer.name} would overwrite the file of ${there.owner}`;
        const hint =
          layer.generated === true
            ? `remove it from ${there.owner}: rtkit makes this file out of rtkit.yaml`
            : `if that is meant, add to replaces: /${entry.path}`;
        refuse("RTK_OVERLAY_COLLISION", message, entry.where, hint);
        continue;
      }
      if (there.tar !== undefined && ground.linkTargets.has(there.tar.path)) {
        const message = `/${entry.path} of ${there.owner} has hard links and cannot be overwritten by ${layer.name}`;
        refuse("RTK_OVERLAY_LINK", message, entry.where, "choose another path");
        continue;
      }
      replaced.add(entry.path);
    }
    place(entry, path, layer, ground);
  }
  for (const [path, where] of layer.replaces) {
    if (replaced.has(path)) continue;
    const isAnswered = layer.entries.some((entry) => entry.path === path);
    // A collision that was refused for another reason has its own message.
    if (isAnswered && occupants.get(throughLinks(path, occupants))?.owner !== layer.name) continue;
    const message = `${layer.name} says that it replaces /${path}, ${isAnswered ? "but nothing is there below it" : "but has no such file"}`;
    refuse("RTK_OVERLAY_STALE", message, where, "remove the line from replaces");
  }
}

function place(entry: LayerEntry, path: string, layer: Layer, { tree, occupants, errors }: Ground): void {
  const { content, mode, owner, group, where } = entry;
  const uid = tree.users[owner];
  const gid = tree.groups[group];
  for (const [what, name, id] of [
    ["user", owner, uid],
    ["group", group, gid],
  ] as const) {
    if (id !== undefined) continue;
    const message = `/${entry.path} of ${layer.name} belongs to the ${what} ${name}, which the image does not have`;
    const hint = "make it with a file in usr/lib/sysusers.d/ of an overlay, see sysusers.d(5)";
    errors.push(usageError("RTK_OVERLAY_OWNER", message, { where, hint }));
  }
  for (const folder of ancestors(path)) {
    if (occupants.has(folder)) continue;
    const made: PlacedEntry = {
      path: folder,
      content: { kind: "directory", declared: false },
      mode: 0o755,
      uid: 0,
      gid: 0,
    };
    occupants.set(folder, { type: "directory", link: "", owner: layer.name, placed: made });
  }
  const tar = occupants.get(path)?.tar;
  occupants.set(path, {
    type: content.kind === "text" ? "file" : content.kind,
    link: content.kind === "symlink" ? content.target : "",
    owner: layer.name,
    // A folder that is there keeps its place in the tar, before what is in it.
    ...(tar !== undefined && content.kind === "directory" ? { tar } : {}),
    placed: { path, content, mode, uid: uid ?? 0, gid: gid ?? 0 },
  });
}

/** Kept bytes in the tar's own order, changed folders at their old place, then what is new, folders first. */
function orderPieces(tree: TreeIndex, occupants: ReadonlyMap<string, Occupant>): LayerPlan {
  const pieces: LayerPiece[] = [];
  let bytes = 0;
  for (const entry of tree.entries) {
    const there = occupants.get(entry.path);
    if (there?.tar !== entry) continue;
    const last = pieces.at(-1);
    if (there.placed !== undefined) pieces.push({ kind: "add", entry: there.placed });
    else if (last?.kind === "keep" && last.offset + last.length === entry.offset) {
      pieces[pieces.length - 1] = { kind: "keep", offset: last.offset, length: last.length + entry.length };
    } else pieces.push({ kind: "keep", offset: entry.offset, length: entry.length });
    if (entry.type === "file") bytes += entry.size;
  }
  const added = [...occupants.values()]
    .flatMap(({ tar, placed }) => (tar === undefined && placed !== undefined ? [placed] : []))
    .toSorted((a, b) => (a.path < b.path ? -1 : 1));
  for (const entry of added) {
    pieces.push({ kind: "add", entry });
    bytes += contentSize(entry.content);
  }
  return { pieces, bytes, entries: occupants.size };
}

/** Folders above a path, outermost first. */
function ancestors(path: string): string[] {
  const parts = path.split("/");
  return parts.slice(1).map((_, index) => parts.slice(0, index + 1).join("/"));
}

/** Whether files can go below: nothing there yet, or a folder. Links were followed before. */
function isOpen(occupant: Occupant | undefined): boolean {
  return occupant === undefined || occupant.type === "directory";
}

function packageOwner(tree: TreeIndex, path: string): string {
  const name = tree.packages[path];
  return name === undefined ? "the Debian packages (made while they were installed)" : `the Debian package ${name}`;
}
