import type { Limit } from "../config/model.ts";
import { countOf, merge, P99, P999, percentile, samplesFor, type Histogram, type Percentile } from "./histogram.ts";
import { isTime, type Expectation, type LatencyRun, type NodeRun, type TimeLimit } from "./run.ts";
import { formatCount, formatTime } from "./words.ts";

/** `unproven`: too little was seen to say. Not met, since nobody may rely on it. */
export type State = "met" | "missed" | "unproven";

/** A limit of the project file against what was measured. */
export interface Judgement {
  readonly node: string;
  readonly limit: Limit;
  /** Microseconds or a count, as {@link measured}. */
  readonly allowed: number;
  /** Null when there is nothing to compare. */
  readonly measured: number | null;
  readonly state: State;
  /** Why, in a sentence. */
  readonly words: string;
}

/** What a run says of the limits. */
export interface Verdict {
  /** `none` when the project file states no limits. */
  readonly state: State | "none";
  /** One line. */
  readonly headline: string;
  /** How it is shown: as good, bad or doubtful, which limits that are met by another board's figures are too. */
  readonly tone: State | "none";
  readonly judgements: readonly Judgement[];
  /** Why the figures are not the board's, or not whole; a sentence each. */
  readonly doubts: readonly string[];
}

/** Judges a run by the limits that it holds. */
export function judge(run: LatencyRun): Verdict {
  const judgements = run.nodes.flatMap((node) =>
    node.expect.map((expectation) => doubted(judgeLimit(node, expectation), standstill(node, run.seconds))),
  );
  const doubts = doubtsOf(run);
  const state = worst(judgements);
  const foreign = notTheBoards(run);
  const tone = foreign !== undefined && state !== "missed" ? "unproven" : state;
  return { state, tone, headline: headline(state, judgements, foreign, run), judgements, doubts };
}

function worst(judgements: readonly Judgement[]): Verdict["state"] {
  if (judgements.length === 0) return "none";
  const states = new Set(judgements.map(({ state }) => state));
  return states.has("missed") ? "missed" : states.has("unproven") ? "unproven" : "met";
}

function headline(
  state: Verdict["state"],
  judgements: readonly Judgement[],
  foreign: string | undefined,
  { cyclictest }: LatencyRun,
): string {
  const but = foreign === undefined ? "" : `, but these are not the board's figures: ${foreign}`;
  const failed = judgements.filter((one) => one.state === state);
  const some = `${failed.length} of ${judgements.length}`;
  switch (state) {
    case "met":
      return `All limits are met${but}`;
    case "missed":
      return `${some} limits ${failed.length === 1 ? "is" : "are"} missed${but}`;
    case "unproven":
      return `${some} limits ${failed.length === 1 ? "is" : "are"} not shown to be met${but}`;
    default: {
      const { max } = merge(cyclictest.cpus.map(({ times }) => times));
      return `Nothing to judge by: the longest wake-up took ${formatTime(max)}, and the project file states no limits${but}`;
    }
  }
}

const COUNTS: Readonly<Record<Exclude<Limit, TimeLimit>, (node: NonNullable<NodeRun["loop"]>) => number>> = {
  overruns: ({ counts }) => counts.overruns,
  faults: ({ counts }) => counts.minorFaults + counts.majorFaults,
  collections: ({ counts }) => counts.collections,
  switches: ({ counts }) => counts.involuntarySwitches,
};

/** Which percentile a limit is of; undefined for the longest. */
const SHARES: Readonly<Record<string, Percentile | undefined>> = { p99: P99, p999: P999 };

function judgeLimit(node: NodeRun, { limit, allowed }: Expectation): Judgement {
  const { name, loop, restarts, state } = node;
  const judged = (measured: number | null, verdict: State, words: string): Judgement => ({
    node: name,
    limit,
    allowed,
    measured,
    state: verdict,
    words,
  });
  if (loop === null) {
    return judged(
      null,
      "unproven",
      `${name} is ${state} and counts nothing: it has no loop of the SDK, or does not run`,
    );
  }
  if (restarts > 0) {
    return judged(null, "unproven", `${name} ended in the run and was started again: what came after is not counted`);
  }
  if (!isTime(limit)) {
    if (loop.counts.cycles === 0) return judged(null, "unproven", `the loop of ${name} did not run`);
    const measured = COUNTS[limit](loop);
    const met = measured <= allowed;
    return judged(
      measured,
      met ? "met" : "missed",
      `${measured} of ${allowed} allowed in ${formatCount(loop.counts.cycles)} steps`,
    );
  }
  const [of, which = ""] = limit.split("_");
  return judged(...judgeTime(of === "step" ? loop.step : loop.wakeup, SHARES[which], allowed));
}

/** What was met by a loop that stood still was met by nothing. */
function doubted(judgement: Judgement, still: string | undefined): Judgement {
  if (still === undefined || judgement.state !== "met") return judgement;
  return { ...judgement, state: "unproven", words: still };
}

/** Looks are a second apart, and the first and the last are within the run. */
const UNSEEN_S = 3;

/** The share of its steps that a loop which goes on may have left out without an overrun: a clock that differs. */
const SPARE = 0.1;

/** That a loop with a period did not go on until the end, in a sentence: what is not done is not counted as late. */
function standstill({ name, loop }: NodeRun, seconds: number): string | undefined {
  if (loop === null || loop.periodUs === null) return undefined;
  const { cycles, overruns } = loop.counts;
  const due = ((seconds - UNSEEN_S) * 1e6) / loop.periodUs;
  if (cycles + overruns >= Math.floor(due * (1 - SPARE))) return undefined;
  return `${name} stood still: ${formatCount(cycles)} steps in ${Math.round(seconds)} s, one every ${formatTime(loop.periodUs)} was due`;
}

function judgeTime(times: Histogram, share: Percentile | undefined, allowed: number): [number | null, State, string] {
  const all = countOf(times);
  if (all === 0) return [null, "unproven", "no step was measured"];
  const compared = (value: number, name: string): [number, State, string] => [
    value,
    value <= allowed ? "met" : "missed",
    `${name} ${formatTime(value)}, ${formatTime(allowed)} allowed, in ${formatCount(all)} steps`,
  ];
  if (share === undefined) return compared(times.max, "the longest is");
  const value = percentile(times, share);
  if (value !== null) return compared(value, `${share.name} is`);
  // Whatever the percentile is, it is no more than the longest.
  if (times.max <= allowed) return compared(times.max, `${share.name} is no more than`);
  const needed = samplesFor(share);
  return [
    null,
    "unproven",
    `${formatCount(all)} steps do not show ${share.name}, ${formatCount(needed)} do: measure for longer`,
  ];
}

/** Why the figures are not those of the board as it is; undefined when they are. */
function notTheBoards({ board, timeline }: LatencyRun): string | undefined {
  if (board.virtual !== null) return `a virtual machine (${board.virtual})`;
  if (timeline.some(({ underVoltage }) => underVoltage === true)) return "its power was too weak (under-voltage)";
  if (timeline.some(({ frequencyCapped }) => frequencyCapped === true)) return "it was too hot and slowed down";
  return undefined;
}

function doubtsOf(run: LatencyRun): string[] {
  const { board, timeline, seconds, requestedSeconds, nodes, cyclictest } = run;
  const held = (what: "underVoltage" | "frequencyCapped"): number => timeline.filter((second) => second[what]).length;
  const unloaded = timeline.slice(0, -1).find(({ loaded }) => !loaded);
  const seen = timeline.length;
  const { beyond, max: longest } = merge(cyclictest.cpus.map(({ times }) => times));
  return [
    ...(board.virtual === null
      ? []
      : [
          `This is a virtual machine (${board.virtual}): its times are the host's and the emulation's, not a board's. What counts here are overruns, page faults and collections.`,
        ]),
    ...(held("underVoltage") === 0
      ? []
      : [
          `The power was too weak in ${held("underVoltage")} of ${seen} looks (under-voltage), so the processor was slowed down: another supply, or a shorter cable.`,
        ]),
    ...(held("frequencyCapped") === 0
      ? []
      : [
          `The board was too hot in ${held("frequencyCapped")} of ${seen} looks, so the processor was slowed down: a heat sink, a fan, or less to do.`,
        ]),
    ...(board.realtime ? [] : [`The kernel ${board.kernel} is not PREEMPT_RT: it promises none of these times.`]),
    ...(unloaded === undefined
      ? []
      : [`The load ended after ${Math.round(unloaded.at)} s: what came later was measured on an idle board.`]),
    ...(seconds >= requestedSeconds * 0.98 - 1
      ? []
      : [`It ended after ${Math.round(seconds)} of ${requestedSeconds} s.`]),
    ...(beyond === 0
      ? []
      : [
          `${formatCount(beyond)} wake-ups of cyclictest were longer than its last bin: the longest took ${formatTime(longest)}.`,
        ]),
    ...cyclictest.cpus
      .filter(({ times }) => countOf(times) === 0)
      .map(({ cpu }) => `cyclictest did not run once on CPU ${cpu}: nothing is known of its wake-ups.`),
    ...nodes
      .filter(({ restarts }) => restarts > 0)
      .map(
        ({ name, restarts }) =>
          `${name} ended and was started again${restarts > 1 ? ` ${restarts} times` : ""}: only what came before is counted.`,
      ),
    ...nodes
      .filter(({ restarts }) => restarts === 0)
      .flatMap((node) => standstill(node, seconds) ?? [])
      .map((still) => `${still}.`),
  ];
}
