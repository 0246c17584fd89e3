import { formatTime } from "../words.ts";
import { escape } from "../chart/svg.ts";
import type { Size } from "../chart/frame.ts";

/** A cell of a table: text, or elements that say so. */
export type Cell = string | { readonly html: string; readonly className?: string };

/** A table that scrolls by itself where it is too wide; the first cell of each row is its head. */
export function table(
  caption: string,
  heads: readonly string[],
  rows: readonly (readonly Cell[])[],
  className = "",
): string {
  const head = heads.map((name) => `<th scope="col">${escape(name)}</th>`).join("");
  const body = rows.map(
    ([first = "", ...cells]) => `<tr><th scope="row">${inner(first)}</th>${cells.map(cell).join("")}</tr>`,
  );
  const headRow = heads.some((name) => name !== "") ? `<thead><tr>${head}</tr></thead>` : "";
  return `<div class="scroll"><table${className === "" ? "" : ` class="${className}"`}><caption>${escape(caption)}</caption>${headRow}<tbody>${body.join("")}</tbody></table></div>`;
}

function inner(content: Cell): string {
  return typeof content === "string" ? escape(content) : content.html;
}

function cell(content: Cell): string {
  const className = typeof content === "string" ? undefined : content.className;
  return `<td${className === undefined ? "" : ` class="${className}"`}>${inner(content)}</td>`;
}

/** Words in a table that are to be read from the left. */
export function words(text: string): Cell {
  return { html: escape(text), className: "text" };
}

/** A chart with its caption. */
export function chart(caption: string, svg: string): string {
  return `<figure><figcaption>${escape(caption)}</figcaption>${svg}</figure>`;
}

/** A chart over the whole page: drawn anew for small screens, where it would be too small to read. */
export function wideChart(caption: string, height: number, draw: (size: Size) => string): string {
  const wide = draw({ width: 1100, height });
  const narrow = draw({ width: 400, height: Math.round(height * 0.9) });
  return chart(caption, `<div class="wide">${wide}</div><div class="narrow">${narrow}</div>`);
}

/** A section with its title and, below it, what it is about. */
export function section(title: string, about: string, content: string): string {
  return `<section><h2>${escape(title)}</h2><p class="note">${escape(about)}</p>${content}</section>`;
}

/** Something on a surface of its own. */
export function card(content: string): string {
  return `<div class="card">${content}</div>`;
}

/** A time, or a dash for none. */
export function timeOrDash(us: number | null | undefined): string {
  return us === null || us === undefined ? "–" : formatTime(us);
}
