import * as z from "zod";
import { printable } from "../core/printable.ts";
import { readStatusLine } from "./cyclictest.ts";
import { EMPTY, since, type Histogram } from "./histogram.ts";
import type { Counts, Second } from "./run.ts";

/** Words of the board, for a terminal and a page. */
const shown = z.string().max(20_000).transform(printable);

/** A kernel's command line may hand out secrets (systemd.set_credential, systemd(1)), which are not to be shown around. */
function withoutCredentials(text: string): string {
  return text.replaceAll(/(\bsystemd\.set_credential(?:_binary)?=[^:\s]*:)\S+/g, "$1…");
}

const count = z.int().min(0);

const Times = z
  .looseObject({ max: z.number().min(0), bins: z.array(z.tuple([z.number().min(0), count.min(1)])) })
  .nullable();

/** What is read of a line of `rt-launch show --json --bins`. */
const Process = z.looseObject({
  pid: z.int(),
  stats: z
    .looseObject({
      periodUs: z.number().nullable(),
      cycles: count,
      overruns: count,
      minorFaults: count,
      majorFaults: count,
      involuntarySwitches: count,
      migrations: count,
      collections: count,
      wakeupUs: Times,
      executionUs: Times,
    })
    .nullable(),
});

/** What is read of `rtnodectl status --json`. */
const Status = z.looseObject({
  release: shown.nullable(),
  kernel: z.looseObject({ version: shown, realtime: z.boolean() }),
  architecture: shown.nullish(),
  board: shown.nullish(),
  nodes: z.array(
    z.looseObject({
      name: shown,
      state: shown,
      pid: z.int().nullable(),
      policy: shown.nullable(),
      priority: z.number().nullable(),
      cpus: shown.nullable(),
      lockedKiB: z.number().nullable(),
      restarts: count,
    }),
  ),
});
export type Status = z.infer<typeof Status>;

const Settings = z.looseObject({
  virtual: shown.nullable(),
  intervalUs: z.number(),
  values: z.record(z.string().regex(/^[A-Za-z]+$/), shown.transform(withoutCredentials).nullable()),
});

/** Seconds, as /proc/uptime has them. */
const Uptime = z
  .string()
  .regex(/^\d{1,12}(\.\d{1,3})?$/)
  .transform(Number);

const Facts = z.looseObject({
  temperatureC: z.number().nullable(),
  throttling: z
    .looseObject({ underVoltage: z.boolean().nullable(), frequencyCapped: z.boolean().nullable() })
    .nullable(),
  loaded: z.boolean(),
});

/** A node's loop at one moment, counted since the loop began. */
interface Loop {
  readonly periodUs: number | null;
  readonly counts: Counts;
  readonly wakeup: Histogram;
  readonly step: Histogram;
}

/** What came of a board, in the lines that src/device/latency.sh describes. */
export interface Recording {
  /** Debian packages that the board lacks; it has measured nothing then. */
  readonly missing: readonly string[];
  readonly begin: Status | undefined;
  readonly end: Status | undefined;
  readonly settings: z.infer<typeof Settings> | undefined;
  readonly timeline: readonly Second[];
  /** Each node's loop at the first look, and at the last. */
  readonly loops: ReadonlyMap<string, { readonly first: Loop; readonly last: Loop }>;
  /** The file that cyclictest wrote, as it wrote it. */
  readonly cyclictest: string;
  readonly blame: readonly string[];
  /** What programs of the board said that went wrong. */
  readonly said: readonly string[];
}

/** Takes a board's lines as they come. */
export interface Recorder {
  /** Throws a SyntaxError or ZodError at what is no such line. */
  readonly take: (line: string) => void;
  readonly recording: () => Recording;
}

/** The most lines that are kept of what programs say besides. */
const MOST_LINES = 2000;

/** Listens to a board that measures; what is kept of each second does not grow with the length of histograms. */
export function recorder(): Recorder {
  const missing: string[] = [];
  const cyclictest: string[] = [];
  const blame: string[] = [];
  const said: string[] = [];
  const timeline: Second[] = [];
  const loops = new Map<string, { readonly first: Loop; last: Loop }>();
  let begin: Status | undefined;
  let end: Status | undefined;
  let settings: z.infer<typeof Settings> | undefined;
  let began: number | undefined;

  const takeSecond = (rest: string): void => {
    const [uptime = "", facts = ""] = split(rest);
    const now = Uptime.parse(uptime);
    began ??= now;
    const { temperatureC, throttling, loaded } = Facts.parse(JSON.parse(facts));
    timeline.push({
      at: Math.max(0, Math.round((now - began) * 100) / 100),
      temperatureC,
      underVoltage: throttling?.underVoltage ?? null,
      frequencyCapped: throttling?.frequencyCapped ?? null,
      loaded,
      cpus: [],
      nodes: [],
    });
  };
  const takeProcess = (text: string): void => {
    const { pid, stats } = Process.parse(JSON.parse(text));
    const name = begin?.nodes.find((node) => node.pid === pid)?.name;
    if (name === undefined || stats === null) return;
    const now = loopOf(stats);
    const known = loops.get(name);
    loops.set(name, { first: known?.first ?? now, last: now });
    if (known !== undefined) timeline.at(-1)?.nodes.push(inSecond(name, known.last, now));
  };
  const takeStatusLine = (line: string): void => {
    const status = readStatusLine(line);
    if (status !== undefined) timeline.at(-1)?.cpus.push({ cpu: status.thread, maxSoFar: status.max });
  };

  return {
    take: (line) => {
      const [word, rest] = split(line);
      if (line.startsWith("{")) takeProcess(line);
      else if (line.startsWith("T:")) takeStatusLine(line);
      else if (word === "missing") missing.push(printable(rest));
      else if (word === "begin") begin = Status.parse(JSON.parse(rest));
      else if (word === "end") end = Status.parse(JSON.parse(rest));
      else if (word === "settings") settings = Settings.parse(JSON.parse(rest));
      else if (word === "second") takeSecond(rest);
      else if (word === "cyclictest") cyclictest.push(rest);
      else if (word === "blame" && blame.length < MOST_LINES) blame.push(printable(rest));
      else if (word === "said" && said.length < MOST_LINES) said.push(printable(rest));
    },
    recording: () => ({
      missing,
      begin,
      end,
      settings,
      timeline,
      loops,
      cyclictest: cyclictest.map((text) => `${text}\n`).join(""),
      blame,
      said,
    }),
  };
}

/** A line's first word, and what comes after the blank. */
function split(line: string): [string, string] {
  const blank = line.indexOf(" ");
  return blank === -1 ? [line, ""] : [line.slice(0, blank), line.slice(blank + 1)];
}

function loopOf(stats: NonNullable<z.infer<typeof Process>["stats"]>): Loop {
  const { periodUs, wakeupUs, executionUs, ...counts } = stats;
  return {
    periodUs,
    counts: {
      cycles: counts.cycles,
      overruns: counts.overruns,
      minorFaults: counts.minorFaults,
      majorFaults: counts.majorFaults,
      collections: counts.collections,
      involuntarySwitches: counts.involuntarySwitches,
      migrations: counts.migrations,
    },
    wakeup: histogramOf(wakeupUs),
    step: histogramOf(executionUs),
  };
}

function histogramOf(times: z.infer<typeof Times>): Histogram {
  return times === null ? EMPTY : { bins: times.bins, beyond: 0, max: times.max };
}

/** What was counted between two looks; 0 where a loop began anew. */
export function countsSince(before: Counts, after: Counts): Counts {
  const more = (key: keyof Counts): number => Math.max(0, after[key] - before[key]);
  return {
    cycles: more("cycles"),
    overruns: more("overruns"),
    minorFaults: more("minorFaults"),
    majorFaults: more("majorFaults"),
    collections: more("collections"),
    involuntarySwitches: more("involuntarySwitches"),
    migrations: more("migrations"),
  };
}

function inSecond(name: string, before: Loop, after: Loop): Second["nodes"][number] {
  const counts = countsSince(before.counts, after.counts);
  const longest = (of: "wakeup" | "step"): number | null => {
    const { bins, max } = since(before[of], after[of]);
    return bins.length === 0 ? null : max;
  };
  return {
    name,
    wakeupMax: longest("wakeup"),
    stepMax: longest("step"),
    overruns: counts.overruns,
    faults: counts.minorFaults + counts.majorFaults,
    collections: counts.collections,
  };
}
