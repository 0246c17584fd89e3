import * as z from "zod";
import type { Limit } from "../config/model.ts";
import { RtkitError } from "../core/errors.ts";
import { Histogram } from "./histogram.ts";

/** The version of {@link LatencyRun}; files of another one are refused. */
const VERSION = 1;

const count = z.int().min(0);

/** What a limit is called in the project file, and what it allows: microseconds or a count. */
const Expectation = z.strictObject({
  limit: z.enum([
    "wakeup_p99",
    "wakeup_p999",
    "wakeup_max",
    "step_p99",
    "step_max",
    "overruns",
    "faults",
    "collections",
    "switches",
  ] satisfies Limit[]),
  allowed: z.number().min(0),
});
export type Expectation = z.infer<typeof Expectation>;

/** Limits that are times, and not counts. */
export type TimeLimit = Extract<Limit, `${string}_${string}`>;

export function isTime(limit: Limit): limit is TimeLimit {
  return limit.startsWith("wakeup_") || limit.startsWith("step_");
}

/** What happened in a node's loop. */
const Counts = z.strictObject({
  cycles: count,
  overruns: count,
  minorFaults: count,
  majorFaults: count,
  collections: count,
  involuntarySwitches: count,
  migrations: count,
});
export type Counts = z.infer<typeof Counts>;

/** A node of the board; times and counts are those of the run alone. */
const NodeRun = z.strictObject({
  name: z.string(),
  /** systemd's ActiveState at the end. */
  state: z.string(),
  policy: z.string().nullable(),
  priority: z.number().nullable(),
  cpus: z.string().nullable(),
  lockedKiB: z.number().nullable(),
  /** How often systemd started it again in the run. */
  restarts: count,
  expect: z.array(Expectation),
  /** Null for a node that does not run, or has no loop of the SDK. */
  loop: z
    .strictObject({
      /** Null for a loop without a period. */
      periodUs: z.number().nullable(),
      counts: Counts,
      /** From when a step was due until it began. */
      wakeup: Histogram,
      /** How long a step took. */
      step: Histogram,
    })
    .nullable(),
});
export type NodeRun = z.infer<typeof NodeRun>;

/** A CPU as cyclictest saw it. */
const CpuRun = z.strictObject({ cpu: count, min: z.number(), average: z.number(), times: Histogram });
export type CpuRun = z.infer<typeof CpuRun>;

/** About a second of the run. */
const Second = z.strictObject({
  /** Seconds since the run began. */
  at: z.number().min(0),
  temperatureC: z.number().nullable(),
  underVoltage: z.boolean().nullable(),
  frequencyCapped: z.boolean().nullable(),
  /** Whether the load ran. */
  loaded: z.boolean(),
  /** The longest that cyclictest had seen on a CPU by then: it says no more while it runs. */
  cpus: z.array(z.strictObject({ cpu: count, maxSoFar: z.number() })),
  /** What a node's loop did in this second; times are null where it did not wake. */
  nodes: z.array(
    z.strictObject({
      name: z.string(),
      wakeupMax: z.number().nullable(),
      stepMax: z.number().nullable(),
      overruns: count,
      faults: count,
      collections: count,
    }),
  ),
});
export type Second = z.infer<typeof Second>;

/** Who stood in the way of a late wake-up, by rtla. */
const Blame = z.strictObject({
  /** What counted as late, microseconds. */
  thresholdUs: z.number(),
  /** rtla's own words, a line each. */
  lines: z.array(z.string()),
  /** The one that held the CPU; null when none was seen, or rtla does not say. */
  culprit: z.strictObject({ cpu: count.nullable(), what: z.string(), us: z.number() }).nullable(),
  /** Why nobody was looked for; null when it was. */
  unavailable: z.string().nullable(),
});
export type Blame = z.infer<typeof Blame>;

/** A measurement: everything that its report says follows from it. Times are microseconds where nothing else is said. */
const LatencyRun = z.strictObject({
  format: z.literal("rtkit-latency"),
  version: z.literal(VERSION),
  /** The project's name; null without a project. */
  project: z.string().nullable(),
  host: z.string(),
  /** ISO 8601, by the clock of the computer that asked. */
  startedAt: z.iso.datetime(),
  requestedSeconds: z.number(),
  seconds: z.number(),
  /** Names of loads; none for an idle board. */
  loads: z.array(z.string()),
  board: z.strictObject({
    model: z.string().nullable(),
    architecture: z.string().nullable(),
    kernel: z.string(),
    realtime: z.boolean(),
    /** The kind of virtual machine (systemd-detect-virt); null for a real board. */
    virtual: z.string().nullable(),
    release: z.string().nullable(),
  }),
  /** What the kernel was told, by name; null for what it does not say. */
  settings: z.record(z.string(), z.string().nullable()),
  cyclictest: z.strictObject({
    command: z.string(),
    version: z.string(),
    intervalUs: z.number(),
    cpus: z.array(CpuRun),
  }),
  nodes: z.array(NodeRun),
  timeline: z.array(Second),
  blame: Blame.nullable(),
});
export type LatencyRun = z.infer<typeof LatencyRun>;

/** A run as the file that `--compare` reads. */
export function formatRun(run: LatencyRun): string {
  return `${JSON.stringify(run)}\n`;
}

/** Reads {@link formatRun}'s text. Throws RTK_LATENCY_COMPARE, exit status 2. */
export function parseRun(text: string, file: string): LatencyRun {
  try {
    return LatencyRun.parse(JSON.parse(text));
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
    throw new RtkitError("RTK_LATENCY_COMPARE", `${file} is no run that this rtkit latency measured`, {
      hint: "say the run.json that stands beside an earlier report",
      cause: error,
      exitStatus: 2,
    });
  }
}
