import { randomBytes } from "node:crypto";
import { existsSync, readFileSync, utimesSync } from "node:fs";
import { rename, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { errnoCode } from "../core/errors.ts";
import { digestOf, type Json } from "./digest.ts";
import { parseSealed, printSealed } from "./sealed.ts";
import type { FileRecord, StepOutput } from "./step.ts";
import { describeTree, stampTree, type Stamps, type Tree } from "./tree.ts";

/** What `record.json` says of the folder `out` beside it. */
interface Recorded {
  readonly key: string;
  readonly digest: string;
  readonly tree: Tree;
}

/** What was found at an entry's place. */
export type Found =
  | { readonly state: "whole"; readonly output: StepOutput; readonly tree: Tree }
  | { readonly state: "absent" }
  | { readonly state: "damaged"; readonly reason: string };

/** The digest of an output: what steps that read it put into their own inputs. */
export function treeDigest(tree: Tree): string {
  return digestOf(tree as unknown as Json);
}

/** Writes what makes the folder `dir`, with its finished `out`, an entry that {@link readEntry} takes for whole. */
export async function sealEntry(dir: string, key: string, tree: Tree): Promise<void> {
  const recorded: Recorded = { key, digest: treeDigest(tree), tree };
  const stamps = stampTree(join(dir, "out"), tree);
  await writeFile(join(dir, "stamps.json"), JSON.stringify(stamps));
  await writeFile(join(dir, "record.json"), printSealed(recorded));
}

/**
 * Reads an entry and marks it as used. Files that nobody touched since they were last hashed are trusted; when anything
 * was, all of them are hashed again. It says so when the entry is not what was once put there.
 */
export async function readEntry(dir: string, key: string): Promise<Found> {
  const recorded = readRecord(dir, key);
  if (recorded === "absent" || recorded === "damaged") {
    return recorded === "absent" ? { state: "absent" } : { state: "damaged", reason: "record.json is not as it was" };
  }
  const { tree, digest } = recorded;
  const out = join(dir, "out");
  try {
    const now = new Date();
    utimesSync(dir, now, now);
    const stamps = stampTree(out, tree);
    if (stamps === undefined || !sameStamps(stamps, readStamps(dir))) {
      const difference = firstDifference(tree, await describeTree(out));
      if (difference !== undefined) return { state: "damaged", reason: `${difference} is not as it was` };
      await restamp(dir, stamps);
    }
  } catch (error) {
    if (!existsSync(dir)) return { state: "absent" };
    return { state: "damaged", reason: error instanceof Error ? error.message : String(error) };
  }
  return { state: "whole", tree, output: { dir: out, digest, cached: true, files: filesOf(tree) } };
}

function readRecord(dir: string, key: string): Recorded | "absent" | "damaged" {
  try {
    const recorded = parseSealed(readFileSync(join(dir, "record.json"), "utf8")) as Recorded | undefined;
    return recorded?.key === key ? recorded : "damaged";
  } catch (error) {
    if (errnoCode(error) === undefined) throw error;
    return existsSync(dir) ? "damaged" : "absent";
  }
}

/** Stamps decide only whether anything is hashed again, so damaged ones cost that and nothing else. */
function readStamps(dir: string): unknown {
  try {
    return JSON.parse(readFileSync(join(dir, "stamps.json"), "utf8"));
  } catch {
    return undefined;
  }
}

function sameStamps(stamps: Stamps, kept: unknown): boolean {
  return JSON.stringify(stamps) === JSON.stringify(kept);
}

async function restamp(dir: string, stamps: Stamps | undefined): Promise<void> {
  const temporary = join(dir, `stamps-${randomBytes(4).toString("hex")}`);
  await writeFile(temporary, JSON.stringify(stamps));
  await rename(temporary, join(dir, "stamps.json"));
}

/** The first path that two trees do not agree on. */
function firstDifference(kept: Tree, found: Tree): string | undefined {
  const paths = Object.keys({ ...kept, ...found }).toSorted();
  return paths.find((path) => JSON.stringify(kept[path]) !== JSON.stringify(found[path]));
}

function filesOf(tree: Tree): Record<string, FileRecord> {
  const files: Record<string, FileRecord> = {};
  for (const [path, entry] of Object.entries(tree)) {
    if (entry.kind === "file") files[path] = { size: entry.size, sha256: entry.sha256 };
  }
  return files;
}
