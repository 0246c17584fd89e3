import { loadProject } from "../../config/load.ts";
import type { Project } from "../../config/model.ts";
import { formatMs, formatSize } from "../../core/units.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { withConnections, type Board } from "../../deploy/connect-all.ts";
import { sourceFacts } from "../../deploy/deploy-facts.ts";
import { readRelease, type Release } from "../../deploy/release.ts";
import type { Context } from "../../pipeline/step.ts";
import { formatError } from "../../ui/error-text.ts";
import { buildRelease, releaseRows } from "../build/build-release.ts";
import { withCaches } from "../build/caches.ts";
import { loadOptions, warn } from "../project.ts";
import type { CommandResult } from "../session.ts";
import { bootstrapBoards } from "./bootstrap-boards.ts";
import { chooseBoards, describeFailure, shortId, sshSettings } from "./boards.ts";
import { checkProject, healthCommand } from "./checks.ts";
import { deployInWaves, LEFT_OUT, rowName, type Deployed, type FleetLimits } from "./fleet.ts";
import { previewBoards } from "./preview-boards.ts";
import { boardsAtOnce, canaryBoards, failuresAllowed, healthTimeout } from "./settings.ts";
import { recordOf, signFor, type SigningOptions } from "./signing.ts";
import { lineReader } from "./traces.ts";

/** Options of `rtkit deploy`, as commander reads them. */
export interface DeployCommandOptions extends SigningOptions {
  readonly timeout: string;
  readonly concurrency: string;
  readonly canary: string;
  readonly maxFailures?: string;
  readonly dryRun?: true;
  readonly bootstrap?: true;
  readonly skipChecks?: true;
  readonly watch?: true;
}

/** Makes the release of a project as it is at the moment. */
export type BuildProject = (context: Context, project: Project) => Promise<Release>;

/** The work of `rtkit deploy`: builds the release and puts it on every board. */
export async function deployBoards(
  context: Context,
  targets: readonly string[],
  options: DeployCommandOptions,
  build: BuildProject = buildProject,
): Promise<CommandResult> {
  const concurrency = boardsAtOnce(options.concurrency);
  const limits: FleetLimits = {
    concurrency,
    timeoutSeconds: healthTimeout(options.timeout),
    canary: canaryBoards(options.canary),
    maxFailures: failuresAllowed(options.maxFailures, concurrency),
  };
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  const addresses = chooseBoards(project.targets, targets, options.host);
  if (options.dryRun !== true && options.skipChecks !== true) await checkProject(context, project);
  const connecting = { settings: sshSettings(options), concurrency, signal: context.signal };
  // Before anything is shown as a list: ssh may have to ask.
  return withConnections(addresses, connecting, async (connected) => {
    const boards =
      options.bootstrap === true
        ? await bootstrapBoards(context, connected, project, connecting.settings.ask)
        : connected;
    const rows = options.dryRun === true ? [] : addresses.map(boardRow);
    context.emit({ type: "plan", steps: [...releaseRows(project), ...rows] });
    // The caches are put in order when the boards have the release: nobody waits for that.
    return withCaches(context, project, async (inner) => {
      const [release, sources] = await Promise.all([build(inner, project), sourceFacts(project.dir, context.signal)]);
      if (options.dryRun === true) return previewBoards(boards, release, concurrency);
      const sign = signFor(options, async () => project.image.signers, context.signal);
      const seal = { record: recordOf(release.id, sources), sign };
      const health = healthCommand(context, project);
      const readLine = lineReader(context.cacheDir);
      return deployToAll(context, boards, release, { ...limits, seal, health, readLine });
    });
  });
}

/** The release of a project, see {@link buildRelease}. */
export async function buildProject(context: Context, project: Project): Promise<Release> {
  return readRelease((await buildRelease(context, project)).path);
}

/** Puts a release on boards, and says what came of each. */
export async function deployToAll(
  context: Context,
  boards: readonly Board[],
  release: Release,
  limits: FleetLimits,
): Promise<CommandResult> {
  const deployed = await deployInWaves(context, boards, release, limits);
  const several = deployed.length > 1;
  const summary = summarize(deployed);
  const logs = deployed.flatMap((board) => describeLog(board, several));
  return {
    result: { release: release.id, targets: deployed.map(({ result }) => result), summary },
    text: [...deployed.map(describe), ...logs, ...(several ? ["", describeSummary(summary)] : [])].join("\n"),
    status: deployed.every(({ result }) => result.ok) ? 0 : 1,
  };
}

/** How many boards; each is in one of them. */
interface Summary {
  readonly ok: number;
  /** Those where the release was active already. */
  readonly unchanged: number;
  readonly failed: number;
  readonly leftOut: number;
}

function summarize(boards: readonly Deployed[]): Summary {
  const count = (is: (result: Deployed["result"]) => boolean): number =>
    boards.filter(({ result }) => is(result)).length;
  return {
    ok: count(({ ok, changed }) => ok && changed),
    unchanged: count(({ ok, changed }) => ok && !changed),
    failed: count(({ ok, code }) => !ok && code !== LEFT_OUT),
    leftOut: count(({ code }) => code === LEFT_OUT),
  };
}

function describeSummary({ ok, unchanged, failed, leftOut }: Summary): string {
  return `${ok + unchanged + failed + leftOut} boards: ${ok} ok, ${unchanged} unchanged, ${failed} failed, ${leftOut} left out`;
}

function boardRow(address: Address): { name: string; title: string } {
  return { name: rowName(address), title: `Board ${formatAddress(address)}` };
}

function describe({ address, error, result: board }: Deployed): string {
  if (error?.code === LEFT_OUT) return `${board.host}  left out: ${formatError(error)}`;
  if (error !== undefined) return describeFailure(address, error);
  const release = shortId(board.release);
  if (!board.changed) return `${board.host}  ${release} is active already, nothing to do`;
  const sent = `${formatSize(board.sentBytes)} sent`;
  return `${board.host}  ${release} is active (before: ${shortId(board.previous)}), ${sent}, ${formatMs(board.seconds * 1000)}`;
}

function describeLog({ result: { host, log } }: Deployed, several: boolean): string[] {
  if (log.length === 0) return [];
  return ["", ...(several ? [`${host}:`] : []), ...log.map((line) => `  ${line}`)];
}
