import { printable } from "../../core/printable.ts";
import { RtkitError } from "../../core/errors.ts";
import type { ExecEnd } from "../../core/exec.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { answerOf, measureLatency, understood, type Measurement } from "../../deploy/rtnodectl.ts";
import type { Connection } from "../../deploy/transport.ts";
import { assembleRun, type Asked, type WholeRecording } from "../../latency/assemble.ts";
import { noBlame, readBlame } from "../../latency/blame.ts";
import { readCyclictest, type Cyclictest } from "../../latency/cyclictest.ts";
import { recorder, type Recording } from "../../latency/recording.ts";
import type { Blame, LatencyRun } from "../../latency/run.ts";
import { formatTime } from "../../latency/words.ts";
import type { Context } from "../../pipeline/step.ts";

const MEASURE = "measure";
const BLAME = "blame";

/** Measures over a connection, shown as steps. Throws as {@link listen} and {@link checked}. */
export async function measureOver(
  context: Context,
  connection: Connection,
  asked: Asked,
  measurement: Measurement,
  withBlame: boolean,
): Promise<{ readonly run: LatencyRun; readonly cyclictest: string }> {
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
    const why = said.length > 0 ? said.slice(-5).join("; ") : complaint(end);
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
  return noBlame(blameUs, complaint(end) || recording.said.at(-1) || "rtla failed");
}

/** What rtnodectl said that went wrong. */
function complaint({ stderr }: ExecEnd): string {
  return printable(stderr).replaceAll("rtnodectl: ", "").trim();
}
