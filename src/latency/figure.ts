import { figure } from "./chart/frame.ts";
import { drawHistograms } from "./chart/histogram-chart.ts";
import { STANDALONE_CSS } from "./chart/style.ts";
import { element, escape, text } from "./chart/svg.ts";
import { drawTimeline } from "./chart/timeline-chart.ts";
import { overview } from "./overview.ts";
import type { LatencyRun } from "./run.ts";
import type { Verdict } from "./verdict.ts";
import { boardLine, runLine } from "./words.ts";

const SIZE = { width: 1200, height: 840 };

/** The run in one picture that needs no page around it: the verdict, the histograms, and what happened when. */
export function figureSvg(run: LatencyRun, verdict: Verdict, earlier?: LatencyRun): string {
  const [left, right] = [92, SIZE.width - 32];
  return figure(
    SIZE,
    `Latency of ${run.host}`,
    verdict.headline,
    [
      element("style", {}, escape(STANDALONE_CSS)),
      element("rect", { class: "page", x: 0, y: 0, ...SIZE }),
      text(32, 48, `Latency of ${run.host}`, { class: "title" }),
      text(32, 76, shorten(verdict.headline), {
        class: verdict.tone === "none" ? "strong" : `strong ${verdict.tone}`,
      }),
      text(32, 98, shorten(`${runLine(run)} · ${boardLine(run)}`)),
      text(32, 136, "How late wake-ups were, and how many of them", { class: "strong" }),
      drawHistograms({ left, right, top: 150, bottom: 476 }, overview(run, earlier)),
      text(32, 536, "The longest wake-ups over time", { class: "strong" }),
      drawTimeline({ left, right, top: 550, bottom: 796 }, run),
    ].join(""),
  );
}

/** As much as there is room for. */
function shorten(words: string): string {
  return words.length > 170 ? `${words.slice(0, 169)}…` : words;
}
