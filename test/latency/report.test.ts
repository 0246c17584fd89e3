import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { readBlame } from "../../src/latency/blame.ts";
import { compareRuns } from "../../src/latency/compare.ts";
import { figureSvg } from "../../src/latency/figure.ts";
import { PERCENTILES, percentile, type Histogram } from "../../src/latency/histogram.ts";
import { reportHtml } from "../../src/latency/report/report.ts";
import type { LatencyRun } from "../../src/latency/run.ts";
import { judge } from "../../src/latency/verdict.ts";
import { formatTime } from "../../src/latency/words.ts";
import { scratchDir } from "../scratch.ts";
import { openBrowser, type Page } from "./browser.ts";
import { latencyRun, nodeRun, second, times } from "./runs.ts";

/** A run with all that a report can hold, and names as long as they may be. */
function fullRun(): LatencyRun {
  const limits = [
    { limit: "wakeup_p99" as const, allowed: 50 },
    { limit: "step_max" as const, allowed: 30 },
    { limit: "overruns" as const, allowed: 0 },
  ];
  const name = "a-node-with-a-name-as-long-as-names-of-nodes-may-be-in-projects";
  return latencyRun({
    nodes: [
      nodeRun("imu", { expect: limits, counts: { overruns: 3 } }),
      nodeRun(name),
      { ...nodeRun("idle"), loop: null },
    ],
    timeline: Array.from({ length: 900 }, (_, at) => second(at, { frequencyCapped: at > 800 })),
    settings: { commandLine: "isolcpus=".padEnd(900, "x"), governor: "performance", idleDriver: null },
    blame: readBlame(20, ["## CPU 1 hit stop tracing, analyzing it ##", `  Thread latency: ${"x".repeat(300)}`]),
  });
}

it("of a day and a half on sixteen CPUs is made like that of a minute", () => {
  const cpus = Array.from({ length: 16 }, (_, cpu) => ({ cpu, maxSoFar: 20 + cpu }));
  const run = latencyRun({ timeline: Array.from({ length: 130_000 }, (_, at) => second(at, { cpus })) });
  expect(reportHtml(run, judge(run), undefined)).toContain("cyclictest 35 µs");
});

const VIEWS = [1200, 400].flatMap((width) => (["light", "dark"] as const).map((scheme) => ({ width, scheme })));

const brightness = (what: string): string =>
  `getComputedStyle(document.body).${what}.match(/\\d+/g).slice(0, 3).reduce((sum, part) => sum + Number(part), 0)`;

/** Percentiles as a table has them. */
const shown = (histogram: Histogram): string[] =>
  PERCENTILES.map((which) => percentile(histogram, which)).map((time) => (time === null ? "–" : formatTime(time)));

describe("the page", () => {
  let page: Page;
  let file: string;
  const run = fullRun();
  beforeAll(async () => {
    const earlier = latencyRun({ nodes: [nodeRun("imu", { wakeup: times([9, 60_000]) })] });
    file = join(scratchDir("rtkit-report-"), "report.html");
    writeFileSync(file, reportHtml(run, judge(run), compareRuns(earlier, run)));
    page = await openBrowser();
  });
  afterAll(() => page.close());

  it.each(VIEWS)("fits a screen of $width pixels, $scheme, with a chart of each CPU and loop", async (view) => {
    await page.show(file, view);
    expect(await page.evaluate("document.documentElement.scrollWidth")).toBeLessThanOrEqual(view.width);
    const charts = "[...document.querySelectorAll('svg')].filter((svg) => svg.getBoundingClientRect().width > 0)";
    // Histograms and time line, two of each of two loops, and one of each CPU.
    expect(await page.evaluate(`${charts}.length`)).toBe(2 + 2 * 2 + 2);
    const words = `${charts}.every((svg) => svg.querySelector('title').textContent && svg.querySelector('desc').textContent)`;
    expect(await page.evaluate(words)).toBe(true);
    // Light words on dark ground, or the other way round.
    const lighter = await page.evaluate(`${brightness("backgroundColor")} > ${brightness("color")}`);
    expect(lighter).toBe(view.scheme === "light");
  });

  it("asks for nothing but itself, and complains of nothing", () => {
    expect(new Set(page.requests.filter((url) => url !== "data:,"))).toEqual(new Set([`file://${file}`]));
    expect(page.complaints).toEqual([]);
  });

  it("has the figures that follow from the histograms", async () => {
    const rows = await page.evaluate<string[][]>(
      "[...document.querySelectorAll('tr')].map((row) => [...row.cells].map((cell) => cell.textContent))",
    );
    for (const { cpu, times: all } of run.cyclictest.cpus) {
      const row = rows.find(([first]) => first === `CPU ${cpu}`);
      expect(row?.slice(4)).toEqual([...shown(all), formatTime(all.max)]);
    }
    const wakeup = run.nodes[0]?.loop?.wakeup ?? times();
    expect(rows).toContainEqual(["wake-up", "60,000", ...shown(wakeup), "31 µs"]);
    const counts =
      "Object.fromEntries([...document.querySelector('.counts').children].map(({ children: [name, count] }) => [name.textContent, count.textContent]))";
    expect(await page.evaluate(counts)).toMatchObject({ steps: "60,000", overruns: "3", "minor page faults": "0" });
  });

  it("has every section of a run that was compared and searched", async () => {
    const titles = await page.evaluate("[...document.querySelectorAll('h2')].map(({ textContent }) => textContent)");
    expect(titles).toEqual([
      "Limits",
      "How late it woke",
      "When it woke late",
      "What changed",
      "Who was in the way",
      "The nodes",
      "The kernel, by CPU",
      "Settings in force",
      "How it was measured",
    ]);
    expect(await page.evaluate("document.querySelector('.verdict strong').textContent")).toBe(
      "2 of 3 limits are missed, but these are not the board's figures: it was too hot and slowed down",
    );
  });
});

it("whatever a board calls itself is text in page and picture", () => {
  const hostile = `</title></style><script>alert("1")</script>&'`;
  const run = latencyRun(
    { host: hostile, project: hostile, settings: { governor: hostile }, nodes: [nodeRun(hostile)] },
    { model: hostile, kernel: hostile, virtual: hostile },
  );
  for (const text of [reportHtml(run, judge(run)), figureSvg(run, judge(run))]) {
    expect(text).not.toContain("<script");
    expect(text).toContain("&lt;script&gt;alert(&quot;1&quot;)");
  }
});

it("a run in which nothing woke, and one without nodes, are drawn too", () => {
  const none = latencyRun({ nodes: [], timeline: [], seconds: 0 });
  for (const cpu of none.cyclictest.cpus) cpu.times = times();
  for (const text of [reportHtml(none, judge(none)), figureSvg(none, judge(none))]) {
    expect(text).not.toMatch(/NaN|Infinity|undefined/);
  }
});

it("no number of a picture is none, whatever was measured", () => {
  for (const wakeup of [times([0, 5]), times([1, 1]), times([9e9, 7]), { ...times([3, 3]), beyond: 2, max: 1e6 }]) {
    const run = latencyRun({ nodes: [nodeRun("imu", { wakeup, step: times() })], timeline: [second(0)] });
    expect(reportHtml(run, judge(run))).not.toMatch(/NaN|Infinity|undefined/);
  }
});
