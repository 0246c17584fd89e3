import type { LatencyRun, Second } from "../run.ts";
import { formatTime } from "../words.ts";
import { figure, legend, verticalAxis, verticalTimeAxis, type Box, type Key, type Size } from "./frame.ts";
import { linearScale, linearTicks, logScale, timeRange, type Scale } from "./scale.ts";
import { seriesClass } from "./style.ts";
import { element, round, text } from "./svg.ts";

/** A stretch of the run that one column of the picture stands for. */
interface Column {
  readonly at: number;
  readonly platform: number | null;
  /** By node, in the order of the run. */
  readonly nodes: readonly (number | null)[];
  readonly overruns: number;
  readonly temperature: number | null;
  readonly heldBack: boolean;
  readonly unloaded: boolean;
}

/** The most columns that can be told apart. */
const MOST_COLUMNS = 300;

/** The longest wake-up of each second, by node, and what cyclictest had seen until then; temperature below. */
export function timelineChart(size: Size, run: LatencyRun): string {
  const outer = { left: 62, right: size.width - 26, top: 4, bottom: size.height - 28 };
  return figure(size, "The longest wake-ups over time", describe(run), drawTimeline(outer, run));
}

/** The same within a larger picture. */
export function drawTimeline(outer: Box, run: LatencyRun): string {
  const nodes = run.nodes.filter(({ loop }) => loop !== null).map(({ name }) => name);
  const columns = columnsOf(run.timeline, nodes);
  const end = Math.max(1, columns.at(-1)?.at ?? 0);
  const temperatures = columns.flatMap(({ temperature }) => (temperature === null ? [] : [temperature]));
  const keys: Key[] = [
    { name: "cyclictest, all CPUs, longest so far", className: "platform", kind: "line" },
    ...nodes.map((name, index): Key => ({ name, className: seriesClass(index), kind: "line" })),
  ];
  const names = legend(outer.left, outer.right, outer.top, keys);
  const below = temperatures.length === 0 ? 0 : Math.min(80, (outer.bottom - outer.top) * 0.24);
  const main: Box = { ...outer, top: outer.top + names.height + 4, bottom: outer.bottom - below };
  const range = timeRange(
    columns.flatMap(({ platform, nodes: times }) => [platform, ...times]).filter((time) => time !== null),
  );
  const x = linearScale([0, end], [main.left, main.right]);
  const y = logScale(range, [main.bottom, main.top]);
  return [
    names.svg,
    bands(columns, x, main),
    secondsAxis(outer, end, x),
    verticalTimeAxis(main, range, y),
    element("line", { class: "axis", x1: main.left, x2: main.right, y1: main.bottom, y2: main.bottom }),
    element("path", { class: "line platform", d: steps(columns, x, y) }),
    ...nodes.map((_, index) => nodeLine(columns, index, x, y)),
    overrunMarks(columns, x, main),
    ...(below === 0 ? [] : [temperatureLine(columns, temperatures, x, { ...outer, top: main.bottom + 24 })]),
  ].join("");
}

function describe({ timeline, nodes }: LatencyRun): string {
  const longest = (name: string): number =>
    longestOf(
      timeline.flatMap((second) => second.nodes.filter((node) => node.name === name).map((node) => node.wakeupMax)),
    ) ?? 0;
  const seen = longestOf(timeline.flatMap(({ cpus }) => cpus.map(({ maxSoFar }) => maxSoFar))) ?? 0;
  const each = nodes.filter(({ loop }) => loop !== null).map(({ name }) => `${name} ${formatTime(longest(name))}`);
  return `Longest wake-ups: ${[`cyclictest ${formatTime(seen)}`, ...each].join(", ")}. The table after it has the figures.`;
}

function columnsOf(timeline: readonly Second[], nodes: readonly string[]): Column[] {
  const size = Math.max(1, Math.ceil(timeline.length / MOST_COLUMNS));
  return Array.from({ length: Math.ceil(timeline.length / size) }, (_, index) => {
    const part = timeline.slice(index * size, (index + 1) * size);
    const seen = part.flatMap((second) => second.nodes);
    return {
      at: part.at(-1)?.at ?? 0,
      platform: longestOf(part.flatMap(({ cpus }) => cpus.map(({ maxSoFar }) => maxSoFar))),
      nodes: nodes.map((name) =>
        longestOf(seen.filter((node) => node.name === name).map(({ wakeupMax }) => wakeupMax)),
      ),
      overruns: seen.reduce((sum, { overruns }) => sum + overruns, 0),
      temperature: longestOf(part.map(({ temperatureC }) => temperatureC)),
      heldBack: part.some(({ underVoltage, frequencyCapped }) => underVoltage === true || frequencyCapped === true),
      unloaded: part.some(({ loaded }) => !loaded),
    };
  });
}

/** One by one: a night's times are more than a call takes arguments. */
function longestOf(times: readonly (number | null)[]): number | null {
  return times.reduce<number | null>(
    (most, time) => (most === null || (time !== null && time > most) ? time : most),
    null,
  );
}

/** Where the board was held back, or the load did not run. */
function bands(columns: readonly Column[], x: Scale, { top, bottom }: Box): string {
  return columns
    .map(({ heldBack, unloaded, at }, index) => {
      if (!heldBack && !unloaded) return "";
      const from = x(columns[index - 1]?.at ?? 0);
      return element("rect", {
        class: "band",
        x: from,
        y: top,
        width: Math.max(1, x(at) - from),
        height: bottom - top,
      });
    })
    .join("");
}

function secondsAxis({ left, right, bottom }: Box, end: number, x: Scale): string {
  const minutes = end >= 600;
  const unit = minutes ? 60 : 1;
  const most = Math.max(2, Math.floor((right - left) / 80));
  return linearTicks(end / unit, most)
    .map((value) =>
      text(x(value * unit), bottom + 18, `${value} ${minutes ? "min" : "s"}`, { "text-anchor": "middle" }),
    )
    .join("");
}

function steps(columns: readonly Column[], x: Scale, y: Scale): string {
  let d = "";
  for (const { at, platform } of columns) {
    if (platform === null) continue;
    d += d === "" ? `M${round(x(at))} ${round(y(platform))}` : `H${round(x(at))}V${round(y(platform))}`;
  }
  return d;
}

/** A point for each second while they are few, and a line through them. */
function nodeLine(columns: readonly Column[], index: number, x: Scale, y: Scale): string {
  const points = columns.flatMap(({ at, nodes }) => {
    const time = nodes[index];
    return time === null || time === undefined ? [] : [[x(at), y(time)] as const];
  });
  const d = points.map(([px, py], order) => `${order === 0 ? "M" : "L"}${round(px)} ${round(py)}`).join("");
  const dots =
    points.length > 70
      ? []
      : points.map(([cx, cy]) => element("circle", { class: seriesClass(index), cx, cy, r: 2.6 }));
  return element("path", { class: `line ${seriesClass(index)}`, d }) + dots.join("");
}

function overrunMarks(columns: readonly Column[], x: Scale, { top }: Box): string {
  return columns
    .filter(({ overruns }) => overruns > 0)
    .map(({ at, overruns }) =>
      element(
        "path",
        { class: "bad", d: `M${round(x(at) - 5)} ${round(top - 1)}h10l-5 8z` },
        element("title", {}, `${overruns} overruns`),
      ),
    )
    .join("");
}

function temperatureLine(columns: readonly Column[], known: readonly number[], x: Scale, box: Box): string {
  const [low, high] = [Math.floor(Math.min(...known) - 1), Math.ceil(Math.max(...known) + 1)];
  const y = linearScale([low, high], [box.bottom, box.top]);
  const points = columns.flatMap(({ at, temperature }) =>
    temperature === null ? [] : [`${round(x(at))} ${round(y(temperature))}`],
  );
  return [
    verticalAxis(
      box,
      [low, high].map((value) => [value, `${value} °C`]),
      y,
    ),
    element("path", { class: "line platform", d: `M${points.join("L")}` }),
  ].join("");
}
