import { readFile } from "node:fs/promises";
import { SourceMap, type SourceMapPayload } from "node:module";
import { join } from "node:path";
import { findOutput } from "../pipeline/find-output.ts";
import { bundleName } from "./scanned-node.ts";

/** Where something stands in a project's sources; line and column count from 1. */
export interface SourcePlace {
  /** Relative to the project's folder. */
  readonly file: string;
  readonly line: number;
  readonly column: number;
}

/** Says what a position in a bundle comes from; line and column count from 1, and without a column the line decides. */
export type FindSource = (line: number, column: number | undefined) => SourcePlace | undefined;

/**
 * The source map of the TypeScript bundle with this sha256 of this node, from the cache, where each build leaves it;
 * undefined when no build here has made exactly that bundle, or the cache gave it up since.
 */
export async function findSourceMap(cacheDir: string, node: string, sha256: string): Promise<FindSource | undefined> {
  const bundle = bundleName({ name: node, runtime: "typescript" });
  const dir = await findOutput(cacheDir, `bundle-${node}`, bundle, sha256);
  if (dir === undefined) return undefined;
  return sourceFinder(await readFile(join(dir, `${bundle}.map`), "utf8"));
}

/** Reads a source map. */
export function sourceFinder(text: string): FindSource {
  const map = new SourceMap(JSON.parse(text) as SourceMapPayload);
  return (line, column) => {
    // The entry before a position may belong to a line above, when nothing of this one comes from a source.
    const entry = map.findEntry(line - 1, column === undefined ? Number.MAX_SAFE_INTEGER : column - 1);
    if (!("originalSource" in entry) || entry.generatedLine !== line - 1) return undefined;
    return { file: entry.originalSource, line: entry.originalLine + 1, column: entry.originalColumn + 1 };
  };
}
