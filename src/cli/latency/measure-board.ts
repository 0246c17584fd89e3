import { join } from "node:path";
import { loadProject } from "../../config/load.ts";
import type { Project } from "../../config/model.ts";
import { shownPath } from "../../core/paths.ts";
import { formatAddress } from "../../deploy/address.ts";
import type { Asked } from "../../latency/assemble.ts";
import { compareRuns } from "../../latency/compare.ts";
import { describeRun } from "../../latency/terminal.ts";
import { judge } from "../../latency/verdict.ts";
import type { Context } from "../../pipeline/step.ts";
import { userErrors } from "../../ui/error-text.ts";
import { table } from "../../ui/table.ts";
import { chooseBoards, oneBoard, onBoards } from "../deploy/boards.ts";
import { loadOptions, warn } from "../project.ts";
import type { CommandResult } from "../session.ts";
import { writeRun } from "./files.ts";
import { measureOver } from "./measure.ts";
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
