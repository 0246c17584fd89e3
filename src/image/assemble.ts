import { randomBytes } from "node:crypto";
import { mkdir, open, readdir, rename, rm, stat, writeFile, type FileHandle } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { isDeepStrictEqual } from "node:util";
import type { Toolbox } from "../core/toolbox.ts";
import { digestOf, sha256 } from "../pipeline/digest.ts";
import type { Context, FileRecord } from "../pipeline/step.ts";
import { readMemo, stampsOf, writeMemo, type AssembledMemo } from "./assembled-memo.ts";
import {
  BLOCK_SIZE,
  countBlocks,
  mergeSpans,
  shiftRanges,
  type BlockMap,
  type BlockRange,
  type BlockSpan,
} from "./block-map.ts";
import { printBmap } from "./bmap.ts";
import { makeSparse } from "./ext4.ts";
import type { Layout } from "./layout.ts";
import { contentSpans, hashSpans, readBlocks } from "./map-file.ts";
import type { PartitionImage } from "./partition-image.ts";
import { sfdiskScript, tableBlocks, writePartitionTable } from "./partition-table.ts";
import { splice, type HashState, type Segment } from "./splice.ts";

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
 * side. Both appear by rename; when it fails or is aborted, earlier ones are untouched and nothing else is left. Called by
 * one build of a folder at a time, see {@link ../pipeline/builds.ts inTurn}: what others left half done long ago is removed.
 */
export async function assemble(context: Context, options: AssembleOptions): Promise<Assembled> {
  const image = join(options.outDir, `${options.name}.img`);
  const bmap = `${image}.bmap`;
  const memoPath = join(context.cacheDir, "assembled", `${sha256(image)}.json`);
  const inputs = inputsBefore(options.layout.size, options);
  const memo = await readMemo(memoPath);
  if (memo?.inputs === inputs && isDeepStrictEqual(memo.stamps, await stampsOf([image, bmap]))) {
    return { image: { path: image, ...memo.image }, bmap: { path: bmap, ...memo.bmap }, cached: true };
  }
  await mkdir(options.outDir, { recursive: true });
  await removeLeftovers(image);
  const temporary = { image: temporaryName(image), bmap: temporaryName(bmap) };
  try {
    const made = await write(context, options, temporary.image, memo);
    const text = printBmap(made.map);
    await writeFile(temporary.bmap, text);
    context.signal.throwIfAborted();
    await rename(temporary.image, image);
    await rename(temporary.bmap, bmap);
    const files = {
      image: { size: made.map.size, sha256: made.sha256 },
      bmap: { size: Buffer.byteLength(text), sha256: sha256(text) },
    };
    await writeMemo(memoPath, { inputs, stamps: await stampsOf([image, bmap]), ...files, prefix: made.prefix });
    return { image: { path: image, ...files.image }, bmap: { path: bmap, ...files.bmap }, cached: false };
  } finally {
    await rm(temporary.image, { force: true });
    await rm(temporary.bmap, { force: true });
  }
}

/**
 * Beside the file itself, so that renaming it is atomic. Random, since in containers that share the folder and no cache
 * processes have the same numbers.
 */
function temporaryName(path: string): string {
  return `${path}.${randomBytes(4).toString("hex")}.tmp`;
}

/** What nobody has written to for so long, ms, was left by a build that was killed: an image is written in less. */
const LEFT_MS = 600_000;

/** Removes what killed builds left half done, and nothing of one that has another cache, and so another turn. */
async function removeLeftovers(image: string): Promise<void> {
  for (const name of await readdir(dirname(image))) {
    if (!name.startsWith(`${basename(image)}.`) || !name.endsWith(".tmp")) continue;
    const path = join(dirname(image), name);
    const info = await stat(path).catch(() => undefined);
    if (info !== undefined && Date.now() - info.mtimeMs > LEFT_MS) await rm(path, { force: true });
  }
}

/** The digest of all that decides an image's bytes before `end`, which is a partition's start or the image's end. */
function inputsBefore(end: number, { tools, layout, parts }: AssembleOptions): string {
  return digestOf({
    tools: tools.digest,
    table: sfdiskScript(layout),
    parts: parts
      .filter(({ partition }) => partition.start < end)
      .map(({ partition, output }) => ({ start: partition.start, digest: output.digest })),
  });
}

async function write(
  context: Context,
  options: AssembleOptions,
  path: string,
  memo: AssembledMemo | undefined,
): Promise<{ map: BlockMap; sha256: string; prefix: AssembledMemo["prefix"] }> {
  const { tools, layout, parts } = options;
  await makeSparse(path, layout.size);
  await writePartitionTable(tools, path, layout, context.signal);
  const table = await tableRanges(path, layout);
  const ranges: BlockRange[] = [...table];
  const segments: Segment[] = table.map((range) => segment(range, null, range.first * BLOCK_SIZE));
  for (const { partition, output } of parts) {
    const { file, map } = await readBlocks(output.dir);
    if (map.size !== partition.size) throw new Error(`${file} is of ${map.size} bytes, not ${partition.size}`);
    let packed = 0;
    for (const range of shiftRanges(map.ranges, partition.start)) {
      ranges.push(range);
      segments.push(segment(range, file, packed));
      packed += countBlocks([range]) * BLOCK_SIZE;
    }
  }
  // A changed node changes the data partition only: most of the image is before it, and hashing takes longer than copying.
  const saveAt = layout.partitions.find(({ content }) => content === "data")?.start ?? 0;
  const inputs = inputsBefore(saveAt, options);
  const resume: HashState | null = memo?.prefix.inputs === inputs ? memo.prefix.hash : null;
  const inOrder = segments.toSorted((a, b) => a.start - b.start);
  const made = await splice(
    tools,
    { target: path, size: layout.size, segments: inOrder, resume, saveAt },
    context.signal,
  );
  return {
    map: { size: layout.size, ranges: ranges.toSorted((a, b) => a.first - b.first) },
    sha256: made.sha256,
    prefix: { inputs, hash: made.saved },
  };
}

async function tableRanges(path: string, layout: Layout): Promise<BlockRange[]> {
  const file = await open(path, "r");
  try {
    return await hashSpans(file, await tableSpans(file, layout));
  } finally {
    await file.close();
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

function segment({ first, last }: BlockSpan, source: string | null, sourceStart: number): Segment {
  return { start: first * BLOCK_SIZE, end: (last + 1) * BLOCK_SIZE, source, sourceStart };
}
