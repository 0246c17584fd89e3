import { escape } from "../chart/svg.ts";
import { histogramChart, type Mark, type Series } from "../chart/histogram-chart.ts";
import { seriesClass } from "../chart/style.ts";
import { timelineChart } from "../chart/timeline-chart.ts";
import { countOf, PERCENTILES, percentile, samplesFor, type Histogram } from "../histogram.ts";
import { limitMarks, loopIndex, overview } from "../overview.ts";
import type { CpuRun, LatencyRun, NodeRun } from "../run.ts";
import { formatCount, formatTime } from "../words.ts";
import { card, chart, section, table, timeOrDash, wideChart, type Cell } from "./html.ts";

/** The size of charts that stand in two columns. */
const HALF = { width: 520, height: 250 };

/** All wake-ups in one picture. */
export function overviewSection(run: LatencyRun, earlier?: LatencyRun): string {
  return section(
    "How late it woke",
    "The kernel's own wake-ups, which cyclictest measures on every CPU, behind those of the nodes' loops.",
    card(
      wideChart("Share of wake-ups by how late they were; both axes are logarithmic", 380, (size) =>
        histogramChart(size, overview(run, earlier)),
      ),
    ),
  );
}

/** The longest of each second. */
export function timelineSection(run: LatencyRun): string {
  const held = run.timeline.some(
    ({ underVoltage, frequencyCapped }) => underVoltage === true || frequencyCapped === true,
  );
  const about = [
    "The longest wake-up of each second; a triangle marks overruns.",
    "While it runs cyclictest says no more than the longest so far.",
    ...(held ? ["Shaded: the board was held back, or without its load."] : []),
  ];
  return section(
    "When it woke late",
    about.join(" "),
    card(
      wideChart("Microseconds on a logarithmic axis, over the time of the run", 320, (size) =>
        timelineChart(size, run),
      ) + timelineTable(run),
    ),
  );
}

/** As many rows as somebody reads. */
const MOST_ROWS = 600;

function timelineTable({ timeline, nodes, cyclictest }: LatencyRun): string {
  const names = nodes.filter(({ loop }) => loop !== null).map(({ name }) => name);
  const cpus = cyclictest.cpus.map(({ cpu }) => cpu);
  const heads = [
    "second",
    ...cpus.map((cpu) => `CPU ${cpu} so far`),
    ...names.flatMap((name) => [`${name} wake-up`, "step", "overruns", "faults"]),
    "°C",
  ];
  const rows = timeline.slice(0, MOST_ROWS).map((second): Cell[] => [
    String(Math.round(second.at * 10) / 10),
    ...cpus.map((cpu) => timeOrDash(second.cpus.find((one) => one.cpu === cpu)?.maxSoFar)),
    ...names.flatMap((name) => {
      const node = second.nodes.find((one) => one.name === name);
      return [
        timeOrDash(node?.wakeupMax),
        timeOrDash(node?.stepMax),
        String(node?.overruns ?? "–"),
        String(node?.faults ?? "–"),
      ];
    }),
    second.temperatureC === null ? "–" : String(second.temperatureC),
  ]);
  const cut = timeline.length > MOST_ROWS ? `, the first ${MOST_ROWS}; run.json has all` : "";
  return `<details><summary>Figures of each second${cut}</summary>${table("The longest of each second", heads, rows)}</details>`;
}

/** cyclictest's figures, by CPU. */
export function cpuSection(run: LatencyRun, earlier?: LatencyRun): string {
  const { cpus, intervalUs } = run.cyclictest;
  const rows = cpus.map(({ cpu, min, average, times }) => [
    `CPU ${cpu}`,
    formatCount(countOf(times)),
    formatTime(min),
    formatTime(average),
    ...PERCENTILES.map((which) => percentileCell(times, which)),
    formatTime(times.max),
  ]);
  const heads = ["", "samples", "shortest", "average", ...PERCENTILES.map(({ name }) => name), "longest"];
  return section(
    "The kernel, by CPU",
    `cyclictest woke on each CPU every ${intervalUs} µs, with priority 80: above the nodes and the interrupt threads.`,
    card(table("cyclictest on each CPU", heads, rows)) +
      `<div class="pair">${cpus.map((cpu) => card(cpuChart(cpu, sameCpu(cpu, earlier)))).join("")}</div>`,
  );
}

function sameCpu({ cpu }: CpuRun, earlier: LatencyRun | undefined): Histogram | undefined {
  return earlier?.cyclictest.cpus.find((one) => one.cpu === cpu)?.times;
}

function cpuChart({ cpu, times }: CpuRun, before: Histogram | undefined): string {
  const title = `CPU ${cpu}`;
  const series = withEarlier({ name: title, times, className: "platform", kind: "area" }, before);
  const marks = quantileMarks(times);
  return chart(title, histogramChart(HALF, { title: `Wake-ups of cyclictest on CPU ${cpu}`, series, marks }));
}

/** A histogram, and the same of an earlier run where there is one. */
function withEarlier(now: Series, before: Histogram | undefined): Series[] {
  return before === undefined ? [now] : [now, { ...now, name: "earlier run", times: before, kind: "earlier" }];
}

/** The last percentile that can be said, and the longest. */
function quantileMarks(times: Histogram): Mark[] {
  const known = PERCENTILES.flatMap((which): Mark[] => {
    const at = percentile(times, which);
    return at === null ? [] : [{ name: `${which.name} ${formatTime(at)}`, at, className: "mark" }];
  });
  const last = known.at(-1);
  const longest: Mark = { name: `longest ${formatTime(times.max)}`, at: times.max, className: "mark" };
  return countOf(times) === 0 ? [] : [...(last === undefined ? [] : [last]), longest];
}

function percentileCell(times: Histogram, which: (typeof PERCENTILES)[number]): Cell {
  const value = percentile(times, which);
  if (value !== null) return formatTime(value);
  const why = `It takes ${formatCount(samplesFor(which))} samples to say this`;
  return { html: `<span title="${why}">–</span>` };
}

/** Each node's loop. */
export function nodeSection(run: LatencyRun, earlier?: LatencyRun): string {
  if (run.nodes.length === 0) return section("The nodes", "There are none on this board.", "");
  return section(
    "The nodes",
    "Each loop's own count of how late its steps began, how long they took, and what disturbed them, in this run alone.",
    run.nodes.map((node, index) => card(nodeCard(run, node, index, earlier))).join(""),
  );
}

function nodeCard(run: LatencyRun, node: NodeRun, index: number, earlier: LatencyRun | undefined): string {
  const { name, loop, policy, priority, cpus, lockedKiB, state } = node;
  const has = [
    policy === null ? state : `${policy}${priority === null || priority === 0 ? "" : ` ${priority}`}`,
    ...(cpus === null ? [] : [`CPUs ${cpus}`]),
    ...(lockedKiB === null ? [] : [`${formatCount(lockedKiB)} KiB locked`]),
    ...(loop?.periodUs === null || loop === null ? [] : [`every ${formatTime(loop.periodUs)}`]),
  ];
  const title = `<h3>${escape(name)}</h3><p class="note">${escape(has.join(" · "))}</p>`;
  if (loop === null) return `${title}<p>It has no loop of the SDK, or does not run: nothing is counted.</p>`;
  const className = seriesClass(loopIndex(run, index));
  const before = earlier?.nodes.find((one) => one.name === name)?.loop;
  const of = (which: "wakeup" | "step", what: string): string =>
    chart(
      what,
      histogramChart(HALF, {
        title: `${what} of ${name}`,
        series: withEarlier({ name: "this run", times: loop[which], className, kind: "area" }, before?.[which]),
        marks: [...limitMarks(node, which), ...quantileMarks(loop[which])],
      }),
    );
  return [
    title,
    `<div class="pair">${of("wakeup", "How late steps began")}${of("step", "How long steps took")}</div>`,
    timesTable(loop),
    countsList(node, loop),
  ].join("");
}

function timesTable({ wakeup, step }: NonNullable<NodeRun["loop"]>): string {
  const heads = ["", "samples", ...PERCENTILES.map(({ name }) => name), "longest"];
  return table("Times", heads, [timesRow("wake-up", wakeup), timesRow("step", step)]);
}

function timesRow(name: string, times: Histogram): Cell[] {
  const shares = PERCENTILES.map((which) => percentileCell(times, which));
  return [name, formatCount(countOf(times)), ...shares, formatTime(times.max)];
}

function countsList({ restarts }: NodeRun, { counts }: NonNullable<NodeRun["loop"]>): string {
  const entries: [string, number][] = [
    ["steps", counts.cycles],
    ["overruns", counts.overruns],
    ["minor page faults", counts.minorFaults],
    ["major page faults", counts.majorFaults],
    ["collections", counts.collections],
    ["involuntary switches", counts.involuntarySwitches],
    ["migrations", counts.migrations],
    ["restarts", restarts],
  ];
  const items = entries.map(([name, count]) => `<div><dt>${name}</dt><dd>${formatCount(count)}</dd></div>`);
  return `<dl class="counts">${items.join("")}</dl>`;
}
