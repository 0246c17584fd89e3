import { mkdir, open, readFile, rename, rm, stat, utimes, writeFile, type FileHandle } from "node:fs/promises";
import { dirname, join } from "node:path";
import type { Toolbox } from "../core/toolbox.ts";
import { errnoCode } from "../core/errors.ts";
import { digestOf, sha256, type Json } from "../pipeline/digest.ts";
import { parseSealed, printSealed } from "../pipeline/sealed.ts";
import type { Context, FileRecord } from "../pipeline/step.ts";
import { BLOCK_SIZE, mergeSpans, shiftRanges, type BlockMap, type BlockRange, type BlockSpan } from "./block-map.ts";
import { printBmap } from "./bmap.ts";
import { makeSparse } from "./ext4.ts";
import type { Layout } from "./layout.ts";
import { contentSpans, hashSpans, readMap } from "./map-file.ts";
import { imageName, type PartitionImage } from "./partition-image.ts";
import { sfdiskScript, tableBlocks, writePartitionTable } from "./partition-table.ts";
import { splice, type Segment } from "./splice.ts";

/** What an image is put together from. */
export interface AssembleOptions {
  readonly tools: Toolbox;
  readonly layout: Layout;
  /** One for each partition of the layout. */
  readonly parts: readonly PartitionImage[];
  /** Where the image goes, e.g. `out/rpi4`; made when missing. */
  readonly outDir: string;
  /** The image's name without `.img`: `arm-controller-rpi4`. */
  readonly name: string;
}

/** A finished file. */
export interface OutputFile extends FileRecord {
  readonly path: string;
}

/** What {@link assemble} wrote. */
export interface Assembled {
  readonly image: OutputFile;
  readonly bmap: OutputFile;
  /** True when both were there already, untouched since they were written from the same parts. */
  readonly cached: boolean;
}

/**
 * Writes `<outDir>/<name>.img`, sparse, and `<name>.img.bmap`: the partition table and the partitions' images side by
 * side. Both appear by rename; when it fails or is aborted, earlier ones are untouched and nothing else is left.
 */
export async function assemble(context: Context, options: AssembleOptions): Promise<Assembled> {
  const image = join(options.outDir, `${options.name}.img`);
  const bmap = `${image}.bmap`;
  const memo = join(context.cacheDir, "assembled", `${sha256(image)}.json`);
  const inputs = digestOf({
    tools: options.tools.digest,
    table: sfdiskScript(options.layout),
    parts: options.parts.map(({ partition, output }) => ({ start: partition.start, digest: output.digest })),
  });
  const kept = await readMemo(memo, inputs, image, bmap);
  if (kept !== undefined) return { ...kept, cached: true };
  await mkdir(options.outDir, { recursive: true });
  try {
    const made = await write(context, options, temporary(image));
    const text = printBmap(made.map);
    await writeFile(temporary(bmap), text);
    context.signal.throwIfAborted();
    await rename(temporary(image), image);
    await rename(temporary(bmap), bmap);
    const result = {
      image: { path: image, size: made.map.size, sha256: made.sha256 },
      bmap: { path: bmap, size: Buffer.byteLength(text), sha256: sha256(text) },
    };
    await writeMemo(memo, inputs, result);
    return { ...result, cached: false };
  } finally {
    await rm(temporary(image), { force: true });
    await rm(temporary(bmap), { force: true });
  }
}

/** Beside the file itself, so that renaming it is atomic; two builds do not share one. */
function temporary(path: string): string {
  return `${path}.${process.pid}.tmp`;
}

async function write(
  context: Context,
  { tools, layout, parts }: AssembleOptions,
  path: string,
): Promise<{ map: BlockMap; sha256: string }> {
  await makeSparse(path, layout.size);
  await writePartitionTable(tools, path, layout, context.signal);
  const handles: FileHandle[] = [];
  try {
    const target = await open(path, "r+");
    handles.push(target);
    const table = await hashSpans(target, await tableSpans(target, layout));
    const ranges: BlockRange[] = [...table];
    const segments: Segment[] = table.map((range) => segment(range, target, 0));
    for (const { partition, output } of parts) {
      const name = imageName(partition);
      const map = await readMap(output.dir, name);
      if (map.size !== partition.size) throw new Error(`${name} has ${map.size} bytes, not ${partition.size}`);
      const source = await open(join(output.dir, name), "r");
      handles.push(source);
      const shifted = shiftRanges(map.ranges, partition.start);
      ranges.push(...shifted);
      segments.push(...shifted.map((range) => segment(range, source, partition.start)));
    }
    const inOrder = segments.toSorted((a, b) => a.start - b.start);
    const sum = await splice(target, layout.size, inOrder, context.signal);
    return { map: { size: layout.size, ranges: ranges.toSorted((a, b) => a.first - b.first) }, sha256: sum };
  } finally {
    await Promise.all(handles.map((handle) => handle.close()));
  }
}

/** Blocks outside the partitions that the partition table uses: what it needs anyway, and boot records of logical partitions. */
async function tableSpans(file: FileHandle, layout: Layout): Promise<BlockSpan[]> {
  const spans = tableBlocks(layout);
  let end = 0;
  for (const { start, size } of layout.partitions) {
    spans.push(...(await contentSpans(file, start, end)));
    end = start + size;
  }
  return mergeSpans([...spans, ...(await contentSpans(file, layout.size, end))]);
}

function segment({ first, last }: BlockSpan, source: FileHandle, sourceStart: number): Segment {
  return { start: first * BLOCK_SIZE, end: (last + 1) * BLOCK_SIZE, source, sourceStart };
}

interface Memo {
  readonly inputs: string;
  readonly stamps: Json;
  readonly result: Omit<Assembled, "cached">;
}

/** What was written last time, when it is still there. */
async function readMemo(
  memo: string,
  inputs: string,
  image: string,
  bmap: string,
): Promise<Memo["result"] | undefined> {
  try {
    const kept = parseSealed(await readFile(memo, "utf8")) as Memo | undefined;
    if (kept?.inputs !== inputs || digestOf(kept.stamps) !== digestOf(await stamps([image, bmap]))) return undefined;
    const now = new Date();
    // What the cache gives up first was not used for longest.
    await utimes(memo, now, now);
    return kept.result;
  } catch (error) {
    if (errnoCode(error) === "ENOENT") return undefined;
    throw error;
  }
}

async function writeMemo(memo: string, inputs: string, result: Memo["result"]): Promise<void> {
  await mkdir(dirname(memo), { recursive: true });
  const record: Memo = { inputs, stamps: await stamps([result.image.path, result.bmap.path]), result };
  await writeFile(temporary(memo), printSealed(record));
  await rename(temporary(memo), memo);
}

/** What changes when somebody writes to a file. */
async function stamps(paths: readonly string[]): Promise<Json> {
  const stats = await Promise.all(paths.map((path) => stat(path, { bigint: true })));
  return stats.map(({ ino, size, mtimeNs, ctimeNs }) => [ino, size, mtimeNs, ctimeNs].join(" "));
}
