import { countOf, type Histogram } from "../histogram.ts";
import { figure, legend, timeAxis, verticalAxis, widthOf, type Box, type Key, type Size } from "./frame.ts";
import { logScale, timeRange, type Scale } from "./scale.ts";
import { element, round, text } from "./svg.ts";

/** One histogram of a chart. */
export interface Series {
  readonly name: string;
  readonly times: Histogram;
  /** `platform` or a {@link ./style.ts seriesClass}. */
  readonly className: string;
  /** Filled, or a line over the others; `earlier` is a run to compare with. */
  readonly kind: Key["kind"];
}

/** A place on the axis of times that has a name. */
export interface Mark {
  readonly name: string;
  /** Microseconds. */
  readonly at: number;
  readonly className: "limit" | "mark";
}

/** What a chart of histograms shows. */
export interface HistogramChart {
  readonly title: string;
  readonly series: readonly Series[];
  readonly marks: readonly Mark[];
}

/** Bins of equal width up to here, microseconds, and of twice the width from each doubling on. */
const LINEAR = 32;

/** Room on the left for `1/100k`, and below for times. */
const LEFT = 62;
const BELOW = 28;

/** A bin of the picture: from and to in microseconds, and the share of all that is in it. */
interface Bar {
  readonly from: number;
  readonly to: number;
  readonly share: number;
}

/** Both axes logarithmic: times, and the share of all of them, so that runs of different lengths lie on each other. */
export function histogramChart(size: Size, chart: HistogramChart): string {
  return figure(size, chart.title, describe(chart), drawHistograms(box(size), chart));
}

function box({ width, height }: Size): Box {
  return { left: LEFT, right: width - 26, top: 4, bottom: height - BELOW };
}

/** The same within a larger picture. */
export function drawHistograms(outer: Box, { series, marks }: HistogramChart): string {
  const keys = series.map(({ name, className, kind }) => ({
    name,
    kind,
    className: kind === "earlier" ? kind : className,
  }));
  const names = series.length > 1 ? legend(outer.left, outer.right, outer.top, keys) : { svg: "", height: 0 };
  const bars = series.map(({ times }) => barsOf(times));
  const range = timeRange([
    ...series.flatMap(({ times }) => [times.bins[0]?.[0] ?? times.max, times.max]),
    ...marks.map(({ at }) => at),
  ]);
  const x = logScale(range, [outer.left, outer.right]);
  const labels = placeLabels(marks, x, outer);
  const inner: Box = { ...outer, top: outer.top + names.height + labels.height };
  const least = 10 ** Math.floor(Math.log10(Math.min(0.1, ...bars.flat().map(({ share }) => share))));
  // Half a decade of room, so that a single sample is something to see.
  const y = logScale([least / 2, 1], [inner.bottom, inner.top]);
  return [
    names.svg,
    timeAxis(inner, range, x),
    verticalAxis(inner, shareTicks(least), y),
    ...series.map(({ className, kind }, index) => {
      const d =
        kind === "area"
          ? areaPath(bars[index] ?? [], x, y, inner.bottom)
          : linePath(bars[index] ?? [], x, y, inner.bottom);
      return element("path", { class: kind === "earlier" ? kind : `${kind} ${className}`, d });
    }),
    ...marks.map(({ at, className }) =>
      element("line", { class: className, x1: x(at), x2: x(at), y1: inner.top - 2, y2: inner.bottom }),
    ),
    labels.draw(outer.top + names.height),
  ].join("");
}

function describe({ series, marks }: HistogramChart): string {
  const all = series.map(({ name, times }) => `${name}: ${countOf(times)} samples, the longest ${times.max} µs`);
  return [...all, ...marks.map(({ name, at }) => `${name} at ${at} µs`)].join("; ");
}

/** What a histogram looks like in bins that are wide enough to be seen. */
function barsOf(times: Histogram): Bar[] {
  const all = countOf(times);
  const bars = new Map<number, { to: number; count: number }>();
  for (const [time, count] of times.bins) {
    const [from, to] = edges(time);
    const bar = bars.get(from);
    bars.set(from, { to, count: (bar?.count ?? 0) + count });
  }
  if (times.beyond > 0) {
    const [from, to] = edges(times.max);
    bars.set(from, { to, count: (bars.get(from)?.count ?? 0) + times.beyond });
  }
  return [...bars]
    .map(([from, { to, count }]) => ({ from, to, share: count / all }))
    .toSorted((a, b) => a.from - b.from);
}

function edges(time: number): [number, number] {
  if (time <= LINEAR) {
    const whole = Math.max(1, Math.round(time));
    return [whole - 0.5, whole + 0.5];
  }
  const width = 2 ** (Math.floor(Math.log2((time - 0.5) / LINEAR)) + 1);
  const from = Math.floor((time - 0.5) / width) * width;
  return [from + 0.5, from + width + 0.5];
}

function areaPath(bars: readonly Bar[], x: Scale, y: Scale, bottom: number): string {
  return bars
    .map(
      ({ from, to, share }) =>
        `M${round(x(from))} ${round(bottom)}V${round(y(share))}H${round(x(to))}V${round(bottom)}Z`,
    )
    .join("");
}

/** Steps; down to the axis only where there is nothing. */
function linePath(bars: readonly Bar[], x: Scale, y: Scale, bottom: number): string {
  return bars
    .map(({ from, to, share }, index) => {
      const joined = bars[index - 1]?.to === from;
      const start = joined ? "" : `M${round(x(from))} ${round(bottom)}`;
      const end = bars[index + 1]?.from === to ? "" : `V${round(bottom)}`;
      return `${start}V${round(y(share))}H${round(x(to))}${end}`;
    })
    .join("");
}

const UNITS = ["1", "1/10", "1/100", "1/1k", "1/10k", "1/100k", "1/1M", "1/10M", "1/100M", "1/1G"];

function shareTicks(least: number): [number, string][] {
  const decades = Math.round(-Math.log10(least));
  const step = decades > 6 ? 2 : 1;
  return Array.from({ length: Math.floor(decades / step) + 1 }, (_, index) => index * step)
    .filter((power) => UNITS[power] !== undefined)
    .map((power) => [10 ** -power, UNITS[power] ?? ""]);
}

/** Names above their marks, one below the other where they would touch. */
function placeLabels(
  marks: readonly Mark[],
  x: Scale,
  { left, right }: Box,
): { readonly height: number; readonly draw: (top: number) => string } {
  const ends: number[] = [];
  const placed = marks
    .toSorted((a, b) => a.at - b.at)
    .map((mark) => {
      const half = widthOf(mark.name) / 2;
      const middle = Math.min(Math.max(x(mark.at), left + half), right - half);
      const free = ends.findIndex((end) => middle - half > end + 6);
      const row = free === -1 ? ends.length : free;
      ends[row] = middle + half;
      return { mark, middle, row };
    });
  return {
    height: ends.length * 17 + (ends.length === 0 ? 0 : 3),
    draw: (top) =>
      placed
        .map(({ mark, middle, row }) =>
          text(middle, top + 12 + row * 17, mark.name, {
            "text-anchor": "middle",
            class: mark.className === "limit" ? "missed" : "strong",
          }),
        )
        .join(""),
  };
}
