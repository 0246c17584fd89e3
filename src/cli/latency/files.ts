import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { Comparison } from "../../latency/compare.ts";
import { figureSvg } from "../../latency/figure.ts";
import { reportHtml } from "../../latency/report/report.ts";
import { formatRun, type LatencyRun } from "../../latency/run.ts";
import type { Verdict } from "../../latency/verdict.ts";

/** What stands in the folder of a run, by absolute path. */
export interface RunFiles {
  readonly report: string;
  readonly svg: string;
  /** Null where this computer has no font to write with. */
  readonly png: string | null;
  readonly run: string;
  /** As cyclictest wrote it. */
  readonly cyclictest: string;
}

/** Everything that is kept of a run. */
export interface Measured {
  readonly run: LatencyRun;
  readonly verdict: Verdict;
  readonly comparison: Comparison | undefined;
  /** The file that cyclictest wrote on the board. */
  readonly cyclictest: string;
}

/** Writes a run into a new folder of `parent`: the page, the picture, and the numbers. */
export async function writeRun(parent: string, { run, verdict, comparison, cyclictest }: Measured): Promise<RunFiles> {
  const folder = join(parent, folderName(run));
  await mkdir(folder, { recursive: true });
  // First: what took a night to measure is there whatever becomes of its picture.
  const numbers = { run: join(folder, "run.json"), cyclictest: join(folder, "cyclictest.json") };
  await writeFile(numbers.run, formatRun(run));
  await writeFile(numbers.cyclictest, cyclictest);
  const svg = figureSvg(run, verdict, comparison?.earlier);
  const png = await renderPng(svg);
  const files = {
    report: join(folder, "report.html"),
    svg: join(folder, "latency.svg"),
    png: png === undefined ? null : join(folder, "latency.png"),
    ...numbers,
  };
  await writeFile(files.report, reportHtml(run, verdict, comparison));
  await writeFile(files.svg, svg);
  if (png !== undefined && files.png !== null) await writeFile(files.png, png);
  return files;
}

/** `arm.local-20261129T120000Z`. */
function folderName({ host, startedAt }: LatencyRun): string {
  return `${host.replaceAll(/[^A-Za-z0-9.-]+/g, "-")}-${startedAt.replaceAll(/[-:]|\.\d+/g, "")}`;
}

/** Twice the size that the picture says: sharp on screens of today, and in print. */
const ZOOM = 2;

const FONT = "DejaVu Sans";

/** A picture in pixels; undefined where there is no font, without which it would say nothing. */
async function renderPng(svg: string): Promise<Uint8Array | undefined> {
  // Imported when needed: an addon of some megabytes.
  const { Resvg } = await import("@resvg/resvg-js");
  const options = {
    font: { loadSystemFonts: true, defaultFontFamily: FONT, sansSerifFamily: FONT },
    fitTo: { mode: "zoom" as const, value: ZOOM },
  };
  const letter = `<svg xmlns="http://www.w3.org/2000/svg" width="20" height="20"><text y="15" font-family="${FONT}, sans-serif">a</text></svg>`;
  if (new Resvg(letter, options).getBBox() === undefined) return undefined;
  return new Resvg(svg, options).render().asPng();
}
