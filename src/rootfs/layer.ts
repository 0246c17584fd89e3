import { readFile, stat } from "node:fs/promises";
import type { Place } from "../core/errors.ts";
import { digestFile, sha256, type Json } from "../pipeline/digest.ts";

/** One set of files that goes over what lies below it. */
export interface Layer {
  /** For messages: `overlay rt-limits`. */
  readonly name: string;
  /** Sorted by path, each path once. */
  readonly entries: readonly LayerEntry[];
  /** Paths whose files below are overwritten on purpose, with the place that says so. */
  readonly replaces: ReadonlyMap<string, Place>;
  /** True for the files that rtkit writes itself: an overlay cannot have them. */
  readonly generated?: true;
}

/** A file, folder or symbolic link of a layer. */
export interface LayerEntry {
  /** Absolute on the board, without the slash before: `etc/hostname`. */
  readonly path: string;
  readonly content: LayerContent;
  readonly mode: number;
  /** Names, looked up in the tree's own /etc/passwd and /etc/group. */
  readonly owner: string;
  readonly group: string;
  /** What in the project or overlay names this entry. */
  readonly where: Place;
}

/** What a {@link LayerEntry} holds. */
export type LayerContent =
  /** `declared` folders get this entry's owner and mode even where there is one; others only say that files follow. */
  | { readonly kind: "directory"; readonly declared: boolean }
  | { readonly kind: "symlink"; readonly target: string }
  /**
   * `sha256` is there where a step's output says it (hashing 120 MB takes as long as a build without changes), and in
   * {@link hashedLayers}.
   */
  | { readonly kind: "file"; readonly source: string; readonly size: number; readonly sha256?: string }
  | { readonly kind: "text"; readonly text: string };

/**
 * The same layers with the digest of each file, so that what is written later can be held against it: somebody may save a
 * file in between. Reads every file whose digest is not known.
 */
export async function hashedLayers(layers: readonly Layer[]): Promise<Layer[]> {
  return Promise.all(
    layers.map(async (layer) => ({
      ...layer,
      entries: await Promise.all(
        layer.entries.map(async (entry) => ({ ...entry, content: await hashedContent(entry.content) })),
      ),
    })),
  );
}

/**
 * All that decides what layers hold: part of the inputs of the step that writes them. Reads every file whose digest is not
 * known.
 */
export async function layerInputs(layers: readonly Layer[]): Promise<Json> {
  return Promise.all(
    layers.map(async ({ name, entries, replaces }) => ({
      name,
      replaces: [...replaces.keys()].toSorted(),
      entries: await Promise.all(
        entries.map(async ({ path, content, mode, owner, group }) => ({
          path,
          mode,
          owner,
          group,
          content: await contentInput(content),
        })),
      ),
    })),
  );
}

/** Bytes of an entry's content. */
export function contentSize(content: LayerContent): number {
  if (content.kind === "file") return content.size;
  return content.kind === "text" ? Buffer.byteLength(content.text) : 0;
}

/** The content of a regular file on this machine. */
export async function fileContent(source: string): Promise<LayerContent> {
  return { kind: "file", source, size: (await stat(source)).size };
}

/** The text of a file's content; that of a folder or link is empty. */
export async function readText(content: LayerContent): Promise<string> {
  if (content.kind === "text") return content.text;
  return content.kind === "file" ? readFile(content.source, "utf8") : "";
}

async function hashedContent(content: LayerContent): Promise<LayerContent> {
  return content.kind === "file" ? { ...content, sha256: await fileDigest(content) } : content;
}

async function fileDigest({ source, sha256: known }: LayerContent & { kind: "file" }): Promise<string> {
  return known ?? digestFile(source);
}

async function contentInput(content: LayerContent): Promise<Json> {
  switch (content.kind) {
    case "file":
      return { kind: "file", sha256: await fileDigest(content) };
    case "text":
      return { kind: "file", sha256: sha256(content.text) };
    case "symlink":
      return { kind: "symlink", target: content.target };
    case "directory":
      return { kind: "directory", declared: content.declared };
  }
}
