import { formatTime } from "../words.ts";
import { roundValues, type Scale } from "./scale.ts";
import { element, escape, text } from "./svg.ts";

/** How large a chart is, in its own units: pixels where it is shown as wide as it is. */
export interface Size {
  readonly width: number;
  readonly height: number;
}

/** Where a chart's data are, between its axes. */
export interface Box {
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

/** A whole SVG with its title and description for those who do not see it. */
export function figure(size: Size, title: string, description: string, content: string): string {
  return element(
    "svg",
    {
      xmlns: "http://www.w3.org/2000/svg",
      viewBox: `0 0 ${size.width} ${size.height}`,
      width: size.width,
      height: size.height,
      role: "img",
    },
    element("title", {}, escape(title)),
    element("desc", {}, escape(description)),
    content,
  );
}

/** Values to write at an axis of times: as many round ones as there is room for. */
function timeTicks([low, high]: readonly [number, number], most: number): number[] {
  const all = roundValues(low, high);
  const decades = all.filter((value) => Number.isInteger(Math.log10(value)));
  return all.length <= most || decades.length < 2 ? all : decades;
}

/** A horizontal axis of times at the bottom, with its lines. */
export function timeAxis(box: Box, range: readonly [number, number], x: Scale): string {
  const ticks = timeTicks(range, (box.right - box.left) / 62);
  return [
    ...roundValues(...range).map((time) => gridLine(x(time), box.top, x(time), box.bottom)),
    ...ticks.map((time) => text(x(time), box.bottom + 18, formatTime(time), { "text-anchor": "middle" })),
    element("line", { class: "axis", x1: box.left, x2: box.right, y1: box.bottom, y2: box.bottom }),
  ].join("");
}

/** A vertical axis with the given values, as they are to be written. */
export function verticalAxis(box: Box, ticks: readonly (readonly [number, string])[], y: Scale): string {
  return ticks
    .flatMap(([value, words]) => [
      gridLine(box.left, y(value), box.right, y(value)),
      text(box.left - 8, y(value) + 4, words, { "text-anchor": "end" }),
    ])
    .join("");
}

/** A vertical axis of times. */
export function verticalTimeAxis(box: Box, range: readonly [number, number], y: Scale): string {
  const ticks = timeTicks(range, (box.bottom - box.top) / 26);
  return verticalAxis(
    box,
    ticks.map((time) => [time, formatTime(time)]),
    y,
  );
}

function gridLine(x1: number, y1: number, x2: number, y2: number): string {
  return element("line", { class: "grid", x1, y1, x2, y2 });
}

/** Names of series beside their colours, in lines from left to right. */
export interface Key {
  readonly name: string;
  readonly className: string;
  readonly kind: "area" | "line" | "earlier";
}

/** Roughly how wide a text is. */
export function widthOf(words: string): number {
  return words.length * 7.6;
}

/** The keys, and how high they are. */
export function legend(
  left: number,
  right: number,
  top: number,
  keys: readonly Key[],
): { svg: string; height: number } {
  let [x, y] = [left, top];
  const parts = keys.map(({ name, className, kind }) => {
    const width = 22 + widthOf(name) + 18;
    if (x > left && x + width > right) [x, y] = [left, y + 20];
    const [at, middle] = [x, y + 8];
    x += width;
    const sign =
      kind === "area"
        ? element("path", { class: `area ${className}`, d: `M${at} ${middle - 5}h16v10h-16z` })
        : element("path", { class: kind === "line" ? `line ${className}` : className, d: `M${at} ${middle}h16` });
    return sign + text(at + 22, middle + 4.5, name);
  });
  return { svg: parts.join(""), height: keys.length === 0 ? 0 : y - top + 24 };
}
