import { join } from "node:path";
import { printable } from "../../core/printable.ts";
import { loadProject } from "../../config/load.ts";
import type { Project } from "../../config/model.ts";
import { RtkitError } from "../../core/errors.ts";
import type { ExecEnd } from "../../core/exec.ts";
import { shownPath } from "../../core/paths.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { answerOf, measureLatency, understood, type Measurement } from "../../deploy/rtnodectl.ts";
import type { Connection } from "../../deploy/transport.ts";
import { assembleRun, type Asked, type WholeRecording } from "../../latency/assemble.ts";
import { noBlame, readBlame } from "../../latency/blame.ts";
import { compareRuns } from "../../latency/compare.ts";
import { readCyclictest, type Cyclictest } from "../../latency/cyclictest.ts";
import { recorder, type Recording } from "../../latency/recording.ts";
import type { Blame } from "../../latency/run.ts";
import { describeRun } from "../../latency/terminal.ts";
import { judge } from "../../latency/verdict.ts";
import { formatTime } from "../../latency/words.ts";
import type { Context } from "../../pipeline/step.ts";
import { userErrors } from "../../ui/error-text.ts";
import { table } from "../../ui/table.ts";
import { chooseBoards, oneBoard, onBoards } from "../deploy/boards.ts";
import { loadOptions, warn } from "../project.ts";
import type { CommandResult } from "../session.ts";
import { writeRun } from "./files.ts";
import { chosenLoads, earlierRun, measuredSeconds, type LatencyOptions } from "./settings.ts";

/** The work of `rtkit latency`: measures one board, judges, compares, and writes the report. */
export async function measureBoard(
  context: Context,
  target: string | undefined,
  options: LatencyOptions,
): Promise<CommandResult> {
  const measurement = { seconds: measuredSeconds(options.duration), loads: chosenLoads(options.load) };
  const earlier = options.compare === undefined ? undefined : await earlierRun(options.compare);
  const project = await projectOf(context, target, options);
  const names = target === undefined ? [] : [target];
  const address = oneBoard(chooseBoards(project?.targets ?? [], names, options.host));
  const [outcome] = await onBoards(context, [address], options, async (connection) => {
    const asked: Asked = {
      project: project?.name ?? null,
      host: formatAddress(address),
      startedAt: new Date(),
      requestedSeconds: measurement.seconds,
      loads: measurement.loads,
      expect: new Map(project?.nodes.map(({ name, expect }) => [name, expect])),
    };
    return measureOver(context, connection, asked, measurement, options.blame === true);
  });
  if (outcome === undefined || "error" in outcome) throw outcome?.error ?? new Error("there is no outcome");
  const { run, cyclictest } = outcome.value;
  const verdict = judge(run);
  const comparison = earlier === undefined ? undefined : compareRuns(earlier, run);
  const parent = join(project?.dir ?? process.cwd(), "out", "latency");
  const files = await writeRun(parent, { run, verdict, comparison, cyclictest });
  if (files.png === null) {
    const message = "this computer has no font to write with: there is no PNG of the report";
    context.emit({ type: "warning", message, hint: "apt-get install fonts-dejavu-core" });
  }
  const { headline, state, judgements, doubts } = verdict;
  return {
    result: {
      host: run.host,
      verdict: state,
      headline,
      limits: judgements,
      doubts,
      files,
      ...(comparison === undefined
        ? {}
        : { changes: { figures: comparison.figures, settings: comparison.settings, caveats: comparison.caveats } }),
      ...(run.blame === null ? {} : { blame: run.blame }),
    },
    text: `${describeRun(run, verdict, comparison, table)}\n\nreport: ${shownPath(files.report, process.cwd())}`,
    status: state === "missed" || state === "unproven" ? 1 : 0,
  };
}

/** The project, which states limits and has the targets; a board that `--host` names does without. */
async function projectOf(
  context: Context,
  target: string | undefined,
  options: LatencyOptions,
): Promise<Project | undefined> {
  try {
    const { project, warnings } = await loadProject(loadOptions(options));
    warn(context, warnings);
    return project;
  } catch (error) {
    const [first] = userErrors(error);
    const needed = target !== undefined || options.host === undefined || options.project !== undefined;
    if (needed || first?.code !== "RTK_CONFIG_NOT_FOUND") throw error;
    return undefined;
  }
}

const MEASURE = "measure";
const BLAME = "blame";

async function measureOver(
  context: Context,
  connection: Connection,
  asked: Asked,
  measurement: Measurement,
  withBlame: boolean,
): Promise<{ readonly run: ReturnType<typeof assembleRun>; readonly cyclictest: string }> {
  const load = asked.loads.length === 0 ? "without load" : `under load (${asked.loads.join(", ")})`;
  const steps = [
    { name: MEASURE, title: `${asked.host}: measure for ${asked.requestedSeconds} s ${load}` },
    ...(withBlame ? [{ name: BLAME, title: `${asked.host}: look for who is in the way` }] : []),
  ];
  context.emit({ type: "plan", steps });
  const { recording, cyclictest } = await inStep(context, MEASURE, async () => {
    const { end, recording: heard } = await listen(context, MEASURE, connection, measurement);
    return checked(connection.address, heard, end);
  });
  const longest = Math.max(0, ...cyclictest.cpus.map(({ times }) => times.max));
  const blame = withBlame
    ? await inStep(context, BLAME, () => findCulprit(context, connection, measurement, longest))
    : null;
  return { run: assembleRun(asked, recording, cyclictest, blame), cyclictest: recording.cyclictest };
}

async function inStep<T>({ emit }: Context, name: string, work: () => Promise<T>): Promise<T> {
  const started = performance.now();
  const ended = (status: "done" | "failed"): void =>
    emit({ type: "step", name, status, ms: Math.round(performance.now() - started) });
  emit({ type: "step", name, status: "started", ms: 0 });
  try {
    const result = await work();
    ended("done");
    return result;
  } catch (error) {
    ended("failed");
    throw error;
  }
}

/** Hears a board out. Throws RTK_DEPLOY_ANSWER at what is not understood, which ends the measurement. */
async function listen(
  { signal, emit }: Context,
  step: string,
  connection: Connection,
  measurement: Measurement,
): Promise<{ readonly end: ExecEnd; readonly recording: Recording }> {
  const { take, recording } = recorder();
  const stop = new AbortController();
  const onLine = (line: string): void => {
    if (stop.signal.aborted) return;
    try {
      understood(connection.address, () => take(line));
      if (line.startsWith("second ")) emit({ type: "progress", name: step, text: progress(recording(), measurement) });
    } catch (error) {
      stop.abort(error);
    }
  };
  const end = await measureLatency(connection, measurement, onLine, AbortSignal.any([signal, stop.signal]));
  stop.signal.throwIfAborted();
  return { end, recording: recording() };
}

function progress({ timeline }: Recording, { seconds }: Measurement): string {
  const [now, before] = [timeline.at(-1), timeline.at(-2)];
  const longest = Math.max(0, ...(before?.cpus ?? []).map(({ maxSoFar }) => maxSoFar));
  const so = longest === 0 ? "" : `, longest wake-up so far ${formatTime(longest)}`;
  return `${Math.min(seconds, Math.round(now?.at ?? 0))} of ${seconds} s${so}`;
}

/** A recording that is whole. Throws RTK_LATENCY_MISSING, RTK_LATENCY_FAILED, and as {@link answerOf}. */
function checked(
  address: Address,
  recording: Recording,
  end: ExecEnd,
): { readonly recording: WholeRecording; readonly cyclictest: Cyclictest } {
  const { missing, begin, end: after, settings, said, cyclictest } = recording;
  if (missing.length > 0) throw missingPackages(address, missing);
  if (begin === undefined || end.status === 2) answerOf(address, end);
  if (begin === undefined || after === undefined || settings === undefined || cyclictest === "") {
    const why = said.length > 0 ? said.slice(-5).join("; ") : end.stderr.trim();
    throw new RtkitError(
      "RTK_LATENCY_FAILED",
      `${formatAddress(address)} could not measure${why === "" ? "" : `: ${why}`}`,
      {
        hint: "rtkit status says how the board is; a kernel with CONFIG_RT_GROUP_SCHED lets cyclictest have no priority",
      },
    );
  }
  const file = understood(address, () => readCyclictest(cyclictest));
  return { recording: { ...recording, begin, end: after, settings }, cyclictest: file };
}

function missingPackages(address: Address, missing: readonly string[]): RtkitError {
  const names = missing.filter((name) => /^[a-z0-9.+-]+$/.test(name));
  return new RtkitError("RTK_LATENCY_MISSING", `${formatAddress(address)} has no ${names.join(" and no ")}`, {
    hint: `add to rtkit.yaml image: { packages: [${names.join(", ")}] }, build and flash; on other systems: sudo apt-get install ${names.join(" ")}`,
  });
}

/** Has rtla wait for a wake-up that is half as late as the latest was. Why it cannot is an answer, not an error. */
async function findCulprit(
  context: Context,
  connection: Connection,
  measurement: Measurement,
  longest: number,
): Promise<Blame> {
  const blameUs = Math.max(1, Math.trunc(longest / 2));
  const { end, recording } = await listen(context, BLAME, connection, { ...measurement, blameUs });
  if (recording.missing.length > 0) {
    return noBlame(
      blameUs,
      `the board has no ${recording.missing.join(" and no ")} (image.packages, or apt-get install)`,
    );
  }
  if (recording.blame.length > 0) return readBlame(blameUs, recording.blame);
  if (end.status === 0) return readBlame(blameUs, []);
  const why = [...recording.said, end.stderr.replaceAll("rtnodectl: ", "").trim()].filter((line) => line !== "");
  return noBlame(blameUs, printable(why.at(-1) ?? "rtla failed"));
}
