import { escape } from "../chart/svg.ts";
import type { Comparison } from "../compare.ts";
import { P99, P999, percentile } from "../histogram.ts";
import { platformTimes } from "../overview.ts";
import type { LatencyRun } from "../run.ts";
import type { State, Verdict } from "../verdict.ts";
import { blameWords, boardLine, formatTime, LIMIT_WORDS, runLine } from "../words.ts";
import { card, section, table, timeOrDash, words, type Cell } from "./html.ts";
import { cpuSection, nodeSection, overviewSection, timelineSection } from "./measured.ts";
import { PAGE_CSS } from "./style.ts";

/** A run as one page of HTML that needs nothing else: no script, no request. */
export function reportHtml(run: LatencyRun, verdict: Verdict, comparison?: Comparison): string {
  const title = `Latency of ${run.host}`;
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width,initial-scale=1">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; style-src 'unsafe-inline'; img-src data:">
<link rel="icon" href="data:,">
<title>${escape(title)}: ${escape(verdict.headline)}</title>
<style>
${PAGE_CSS}
</style>
</head>
<body>
<main>
${[
  header(run, verdict),
  limits(verdict),
  overviewSection(run, comparison?.earlier),
  timelineSection(run),
  comparison === undefined ? "" : changes(comparison),
  blame(run),
  nodeSection(run, comparison?.earlier),
  cpuSection(run, comparison?.earlier),
  settings(run),
  method(run),
]
  .filter((part) => part !== "")
  .join("\n")}
</main>
</body>
</html>
`;
}

const SIGNS: Readonly<Record<State, string>> = { met: "✓ met", missed: "✗ missed", unproven: "? not shown" };

function header(run: LatencyRun, verdict: Verdict): string {
  const doubts = verdict.doubts.map((doubt) => `<li>${escape(doubt)}</li>`).join("");
  return `<header>
<h1>Latency of ${escape(run.host)}${run.project === null ? "" : ` · ${escape(run.project)}`}</h1>
<div class="verdict ${verdict.tone}"><strong>${escape(verdict.headline)}</strong>${doubts === "" ? "" : `<ul>${doubts}</ul>`}</div>
<p class="facts">${escape(runLine(run))}<br>${escape(boardLine(run))}</p>
<div class="tiles">${tiles(run).join("")}</div>
</header>`;
}

function tiles(run: LatencyRun): string[] {
  const platform = platformTimes(run);
  const p999 = percentile(platform, P999);
  return [
    tile(
      "Kernel, longest wake-up",
      formatTime(platform.max),
      p999 === null ? "on all CPUs" : `p99.9 is ${formatTime(p999)}`,
    ),
    ...run.nodes.flatMap(({ name, loop }) => {
      if (loop === null) return [];
      const p99 = percentile(loop.wakeup, P99);
      const { overruns } = loop.counts;
      const rest = [
        ...(p99 === null ? [] : [`p99 is ${formatTime(p99)}`]),
        overruns === 0 ? "no overruns" : overruns === 1 ? "1 overrun" : `${overruns} overruns`,
      ];
      return [tile(`${name}, longest wake-up`, formatTime(loop.wakeup.max), rest.join(", "))];
    }),
  ];
}

function tile(what: string, value: string, rest: string): string {
  return `<div class="card tile"><span class="note">${escape(what)}</span><b>${escape(value)}</b><span class="note">${escape(rest)}</span></div>`;
}

function limits({ judgements }: Verdict): string {
  if (judgements.length === 0) {
    return section(
      "Limits",
      "The project file states none. With nodes.NAME.expect: { wakeup_p99: 50us, overruns: 0 } this report judges by them.",
      "",
    );
  }
  const rows = judgements.map(({ node, limit, state, words: why }): Cell[] => [
    `${node}: ${LIMIT_WORDS[limit]}`,
    { html: `<span class="state ${state}">${SIGNS[state]}</span>`, className: "text" },
    words(why),
  ]);
  return section(
    "Limits",
    "What the project file expects of the nodes, and what they did.",
    card(table("Limits of the project file", ["", "", ""], rows, "limits")),
  );
}

function changes({ earlier, figures, settings: changed, headline, caveats }: Comparison): string {
  const figureRows = figures.map(({ subject, figure, before, after, change }): Cell[] => [
    `${subject}: ${figure}`,
    timeOrDash(before),
    timeOrDash(after),
    { html: `<span class="${change}">${change === "unknown" ? "–" : change}</span>` },
  ]);
  const settingRows = changed.map(({ name, before, after }) => [name, words(before), words(after)]);
  return section(
    "What changed",
    `Since the run of ${earlier.startedAt.slice(0, 16).replace("T", " ")} UTC on ${earlier.host}.`,
    card(
      [
        `<p><b>${escape(headline)}</b></p>`,
        ...caveats.map((caveat) => `<p>${escape(caveat)}</p>`),
        table(
          "Figures: a percentile is better or worse from a tenth on, a longest time from a half",
          ["", "then", "now", ""],
          figureRows,
        ),
        settingRows.length === 0 ? "" : table("Settings", ["", "then", "now"], settingRows, "settings"),
      ].join(""),
    ),
  );
}

function blame(run: LatencyRun): string {
  const sentence = blameWords(run);
  if (run.blame === null || sentence === undefined) return "";
  const lines = run.blame.lines.join("\n").trim();
  return section(
    "Who was in the way",
    "Looked for after the measurement and under the same load, with the kernel's timerlat tracer: tracing would have made the figures above worse.",
    card(`<p><b>${escape(sentence)}</b></p>${lines === "" ? "" : `<pre>${escape(lines)}</pre>`}`),
  );
}

/** What settings are called, and what their values mean. */
const SETTINGS: Readonly<Record<string, string>> = {
  governor: "CPU frequency governor",
  commandLine: "kernel command line",
  onlineCpus: "CPUs online",
  isolatedCpus: "CPUs isolated",
  noHzFullCpus: "CPUs without a tick (nohz_full)",
  interruptAffinity: "CPUs of new interrupts (mask)",
  clockSource: "clock source",
  idleDriver: "idle states by",
  rtRuntimeUs: "real-time runtime, µs of each second",
  timerMigration: "timers migrate",
  hugePages: "transparent huge pages",
  swappiness: "swappiness",
  swap: "swap",
};

function settings({ board, settings: values, nodes }: LatencyRun): string {
  const rows: [string, string][] = [
    ["board", board.model ?? "unknown"],
    ["kernel", `${board.kernel}${board.realtime ? ", PREEMPT_RT" : ", not PREEMPT_RT"}`],
    ["virtual machine", board.virtual ?? "no"],
    ["release", board.release ?? "none"],
    ...Object.entries(values).map(([name, value]): [string, string] => [SETTINGS[name] ?? name, value ?? "not known"]),
    ...nodes.map(({ name, policy, priority, cpus }): [string, string] => [
      `node ${name}`,
      policy === null ? "not running" : `${policy} ${priority ?? ""}, CPUs ${cpus ?? "?"}`,
    ]),
  ];
  return section(
    "Settings in force",
    "As the kernel said them when the run began. Idle states were held off by cyclictest and by the launcher of real-time nodes.",
    card(
      table(
        "Settings",
        ["", ""],
        rows.map(([name, value]) => [name, words(value)]),
        "settings",
      ),
    ),
  );
}

function method({ cyclictest, loads, requestedSeconds }: LatencyRun): string {
  const load = loads.length === 0 ? "no load" : `stress-ng (${loads.join(", ")})`;
  return section(
    "How it was measured",
    "",
    card(`<p>cyclictest (rt-tests ${escape(cyclictest.version)}) and the nodes' own loops ran beside each other for ${requestedSeconds} s, with ${escape(load)}: <code>${escape(cyclictest.command)}</code></p>
<p>A wake-up is how much later than asked a thread ran. cyclictest cuts times to whole microseconds; nodes' times are upper limits, to a microsecond up to 1024 µs and to 3 % above. A percentile is said only where ten samples lie beyond it: p99 from 1,000 samples on, p99.99 from 100,000. The longest of a short run says little about the longest of a day.</p>
<p>The net load stays on the board (loopback). run.json beside this page has every bin.</p>`),
  );
}
