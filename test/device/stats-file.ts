import { readFileSync } from "node:fs";

/** The members of struct stats (stats.h) in their order, each eight bytes, from `sequence` on. */
export const COUNTERS: readonly string[] = (
  "sequence state period began cycles overruns minorFaults majorFaults involuntarySwitches " +
  "migrations collections garbage lostLines"
).split(" ");

/** Where things are in the file, bytes; stats.test.ts holds them against what the compiler says. */
export const LAYOUT = {
  magic: 0,
  size: 8,
  pid: 12,
  counters: 16,
  wakeup: 16 + 8 * COUNTERS.length,
  execution: 16 + 8 * COUNTERS.length + 8 * (3 + 1760),
  end: 16 + 8 * COUNTERS.length + 2 * 8 * (3 + 1760),
};

/** `state` of a node that is in its loop, and of one that has left it. */
export const RUNNING = 1;
export const ENDED = 2;

/** A histogram: times are nanoseconds. */
interface Histogram {
  readonly count: number;
  readonly sum: number;
  readonly max: number;
  readonly bins: readonly number[];
}

/** What a node's file of statistics says; of a node that writes just now it may be inconsistent. */
export interface Stats {
  readonly magic: string;
  readonly size: number;
  readonly pid: number;
  readonly counters: Readonly<Record<string, number>>;
  readonly wakeup: Histogram;
  readonly execution: Histogram;
}

/** Reads `/run/rtnode/NAME.stats` or its like. */
export function readStats(file: string): Stats {
  const bytes = readFileSync(file);
  const word = (at: number): number => Number(bytes.readBigUInt64LE(at));
  const histogram = (at: number): Histogram => ({
    count: word(at),
    sum: word(at + 8),
    max: word(at + 16),
    bins: Array.from({ length: 1760 }, (_, bin) => word(at + 24 + 8 * bin)),
  });
  return {
    magic: bytes.toString("latin1", 0, 8),
    size: bytes.readUInt32LE(LAYOUT.size),
    pid: bytes.readUInt32LE(LAYOUT.pid),
    counters: Object.fromEntries(COUNTERS.map((name, index) => [name, word(LAYOUT.counters + 8 * index)])),
    wakeup: histogram(LAYOUT.wakeup),
    execution: histogram(LAYOUT.execution),
  };
}
