import { timeRange } from "./chart/scale.ts";
import type { Comparison } from "./compare.ts";
import { countOf, PERCENTILES, percentile, type Histogram } from "./histogram.ts";
import type { LatencyRun } from "./run.ts";
import { sparkHistogram, sparkline, thin } from "./sparkline.ts";
import type { Verdict } from "./verdict.ts";
import { blameWords, boardLine, formatCount, formatTime, LIMIT_WORDS, runLine } from "./words.ts";

/** How many blocks a histogram or a time line has. */
const BLOCKS = 24;

const SIGNS = { met: "✓", missed: "✗", unproven: "?", none: "·" } as const;

/** Rows of text as lines; the caller knows how. */
type Table = (rows: readonly (readonly string[])[]) => readonly string[];

/** A run for people at a terminal. */
export function describeRun(
  run: LatencyRun,
  verdict: Verdict,
  comparison: Comparison | undefined,
  table: Table,
): string {
  return [
    `${run.host}  ${runLine(run)}`,
    boardLine(run),
    "",
    ...table([
      ["", "SAMPLES", ...PERCENTILES.map(({ name }) => name.toUpperCase()), "MAX", "HISTOGRAM", "OVER TIME"],
      ...rows(run),
    ]),
    "",
    `${SIGNS[verdict.tone]} ${verdict.headline}`,
    ...verdict.judgements.map(
      ({ state, node, limit, words }) => `  ${SIGNS[state]} ${node}: ${LIMIT_WORDS[limit]}: ${words}`,
    ),
    ...verdict.doubts.map((doubt) => `  ! ${doubt}`),
    ...describeComparison(comparison),
    ...describeBlame(run),
  ].join("\n");
}

function rows(run: LatencyRun): string[][] {
  const { cyclictest, nodes, timeline } = run;
  const loops = nodes.flatMap(({ name, loop }) => (loop === null ? [] : [{ name, loop }]));
  const all = [...cyclictest.cpus.map(({ times }) => times), ...loops.flatMap(({ loop }) => [loop.wakeup, loop.step])];
  const range = timeRange(all.flatMap(({ bins, max }) => [bins[0]?.[0] ?? max, max]));
  const row = (name: string, times: Histogram, overTime: readonly (number | null)[]): string[] => [
    name,
    formatCount(countOf(times)),
    ...PERCENTILES.map((which) => {
      const value = percentile(times, which);
      return value === null ? "-" : formatTime(value);
    }),
    formatTime(times.max),
    sparkHistogram(times, range, BLOCKS),
    sparkline(thin(overTime, BLOCKS)),
  ];
  return [
    ...cyclictest.cpus.map(({ cpu, times }) =>
      row(
        `CPU ${cpu}`,
        times,
        timeline.map(({ cpus }) => cpus.find((one) => one.cpu === cpu)?.maxSoFar ?? null),
      ),
    ),
    ...loops.flatMap(({ name, loop }) => {
      const each = (of: "wakeupMax" | "stepMax"): (number | null)[] =>
        timeline.slice(1).map((second) => second.nodes.find((node) => node.name === name)?.[of] ?? null);
      return [row(`${name} wake-up`, loop.wakeup, each("wakeupMax")), row(`${name} step`, loop.step, each("stepMax"))];
    }),
  ];
}

function describeComparison(comparison: Comparison | undefined): string[] {
  if (comparison === undefined) return [];
  const { earlier, figures, settings, headline, caveats } = comparison;
  return [
    "",
    `since ${earlier.startedAt.slice(0, 16).replace("T", " ")} UTC: ${headline}`,
    ...caveats.map((caveat) => `  ! ${caveat}`),
    ...figures
      .filter(({ change }) => change === "worse" || change === "better")
      .map(
        ({ subject, figure, before, after, change }) =>
          `  ${subject} ${figure}: ${formatTime(before ?? 0)} → ${formatTime(after ?? 0)}, ${change}`,
      ),
    ...settings.map(({ name, before, after }) => `  ${name}: ${before} → ${after}`),
  ];
}

function describeBlame(run: LatencyRun): string[] {
  const words = blameWords(run);
  return words === undefined ? [] : ["", words];
}
