import * as z from "zod";
import { printable } from "../core/printable.ts";
import { countOf, type Histogram } from "./histogram.ts";
import type { CpuRun } from "./run.ts";

/** What `cyclictest --json` writes (rt-tests 2.x, cyclictest.c: write_stats); two of its keys end with a colon. */
const File = z.looseObject({
  "cmdline:": z.string().transform(printable),
  "rt_test_version:": z.string().transform(printable),
  return_code: z.int(),
  thread: z.record(
    z.string(),
    z.looseObject({
      /** Of each whole microsecond how often it was seen; without it all were longer than --histogram. */
      histogram: z.record(z.string().regex(/^\d+$/), z.int().min(1)).optional(),
      cycles: z.int().min(0),
      min: z.number(),
      max: z.number(),
      avg: z.number().nullable(),
      cpu: z.int().min(0),
    }),
  ),
});

/** What cyclictest measured. */
export interface Cyclictest {
  readonly command: string;
  readonly version: string;
  /** By number. */
  readonly cpus: CpuRun[];
  /** Its status lines name threads. */
  readonly cpuOfThread: ReadonlyMap<number, number>;
}

/**
 * Reads the file that cyclictest wrote. A CPU on which it never ran has no times: the average that is written of those is
 * no JSON. Throws a SyntaxError or ZodError when it is another file.
 */
export function readCyclictest(text: string): Cyclictest {
  const file = File.parse(JSON.parse(text.replaceAll(/("avg":\s*)-?nan\b/g, "$1null")));
  const cpus = Object.values(file.thread).map(({ cpu, min, max, avg, cycles, histogram = {} }): CpuRun => {
    const bins = Object.entries(histogram)
      .map(([time, count]): [number, number] => [Number(time), count])
      .toSorted(([a], [b]) => a - b);
    const times: Histogram = { bins, beyond: 0, max };
    // It counts every cycle, and those that are longer than the last bin nowhere else.
    const least = cycles === 0 ? 0 : min;
    return { cpu, min: least, average: avg ?? 0, times: { ...times, beyond: Math.max(0, cycles - countOf(times)) } };
  });
  return {
    command: file["cmdline:"],
    version: file["rt_test_version:"],
    cpus: cpus.toSorted((a, b) => a.cpu - b.cpu),
    cpuOfThread: new Map(Object.entries(file.thread).map(([thread, { cpu }]) => [Number(thread), cpu])),
  };
}

/** A status line: thread, and the longest it has seen (cyclictest.c: print_stat). */
const STATUS = /^T:\s*(\d+) \(\s*\d+\) P:\s*\d+ I:\d+ C:\s*\d+ Min:\s*-?\d+ Act:\s*-?\d+ Avg:\s*-?\d+ Max:\s*(\d+)$/;

/** The thread and its longest time so far, microseconds; undefined for another line. */
export function readStatusLine(line: string): { readonly thread: number; readonly max: number } | undefined {
  const match = STATUS.exec(line.trim());
  return match === null ? undefined : { thread: Number(match[1]), max: Number(match[2]) };
}
