import type { HistogramChart, Mark, Series } from "./chart/histogram-chart.ts";
import { seriesClass } from "./chart/style.ts";
import { merge, type Histogram } from "./histogram.ts";
import type { LatencyRun, NodeRun } from "./run.ts";
import { formatTime, LIMIT_WORDS } from "./words.ts";

/** What cyclictest saw on all CPUs. */
export function platformTimes({ cyclictest }: LatencyRun): Histogram {
  return merge(cyclictest.cpus.map(({ times }) => times));
}

/** The nodes' wake-ups over those of cyclictest on all CPUs, and an earlier run's. */
export function overview(run: LatencyRun, earlier?: LatencyRun): HistogramChart {
  const loops = run.nodes.flatMap(({ name, loop }, index): Series[] => {
    const className = seriesClass(loopIndex(run, index));
    return loop === null ? [] : [{ name, times: loop.wakeup, className, kind: "line" }];
  });
  const before: Series[] =
    earlier === undefined
      ? []
      : [{ name: "cyclictest, earlier run", times: platformTimes(earlier), className: "platform", kind: "earlier" }];
  return {
    title: "How late wake-ups were",
    series: [
      { name: "cyclictest, all CPUs", times: platformTimes(run), className: "platform", kind: "area" },
      ...before,
      ...loops,
    ],
    marks: run.nodes.flatMap((node) => limitMarks(node, "wakeup", run.nodes.length > 1 ? `${node.name}: ` : "")),
  };
}

/** The limits of a node's wake-ups or steps, as places on the axis of times. */
export function limitMarks({ expect }: NodeRun, of: "wakeup" | "step", before = ""): Mark[] {
  return expect
    .filter(({ limit }) => limit.startsWith(`${of}_`))
    .map(({ limit, allowed }) => ({
      name: `${before}${LIMIT_WORDS[limit].replace(/ ?(?:wake-up|step) ?/, "")} ≤ ${formatTime(allowed)}`,
      at: allowed,
      className: "limit",
    }));
}

/** Which of the nodes with a loop a node is: charts give colours in this order. */
export function loopIndex({ nodes }: LatencyRun, index: number): number {
  return nodes.slice(0, index).filter(({ loop }) => loop !== null).length;
}
