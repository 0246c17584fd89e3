import { loadProject } from "../../config/load.ts";
import { RtkitError } from "../../core/errors.ts";
import { formatMs, formatSize } from "../../core/units.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { DeployFailure, deployRelease, type DeployOptions } from "../../deploy/board.ts";
import { withConnections, type Reached } from "../../deploy/connect-all.ts";
import { readRelease, type Release } from "../../deploy/release.ts";
import { atMost } from "../../pipeline/concurrent.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";
import { buildRelease, releaseRows } from "../build/build-release.ts";
import { withCaches } from "../build/caches.ts";
import { loadOptions, warn } from "../project.ts";
import type { CommandResult } from "../session.ts";
import { chooseBoards, describeFailure, shortId, sshSettings, type BoardOptions } from "./boards.ts";
import { checkProject, healthCommand } from "./checks.ts";
import { previewBoards } from "./preview-boards.ts";
import { boardsAtOnce, healthTimeout } from "./settings.ts";
import { lineReader } from "./traces.ts";

/** Options of `rtkit deploy`, as commander reads them. */
export interface DeployCommandOptions extends BoardOptions {
  readonly timeout: string;
  readonly concurrency: string;
  readonly dryRun?: true;
  readonly skipChecks?: true;
  readonly watch?: true;
}

/** How releases are put on boards: limits, and what the project and its cache add. */
export interface DeployLimits extends Pick<DeployOptions, "timeoutSeconds" | "health" | "readLine" | "withLog"> {
  readonly concurrency: number;
}

/** One board in the result of `rtkit deploy`. */
interface BoardResult {
  readonly host: string;
  readonly ok: boolean;
  /** The release that was to be there. */
  readonly release: string;
  /** The one that was active before; null for none, or when the board could not say. */
  readonly previous: string | null;
  /** False when the release was active already. */
  readonly changed: boolean;
  readonly sentBytes: number;
  readonly seconds: number;
  /** Null when the connection broke before the board could say. */
  readonly rolledBack: boolean | null;
  readonly code: string | null;
  readonly reason: string | null;
  readonly hint: string | null;
  /** What the nodes logged since they were started. */
  readonly log: readonly string[];
}

/** A board's result, and the error behind it. */
interface Deployed {
  readonly address: Address;
  readonly result: BoardResult;
  readonly error: RtkitError | undefined;
}

/** The work of `rtkit deploy`: builds the release and puts it on every board. */
export async function deployBoards(
  context: Context,
  targets: readonly string[],
  options: DeployCommandOptions,
): Promise<CommandResult> {
  const timeoutSeconds = healthTimeout(options.timeout);
  const concurrency = boardsAtOnce(options.concurrency);
  const { project, warnings } = await loadProject(loadOptions(options));
  warn(context, warnings);
  const addresses = chooseBoards(project.targets, targets, options.host);
  if (options.dryRun !== true && options.skipChecks !== true) await checkProject(context, project);
  const connecting = { settings: sshSettings(options), concurrency, signal: context.signal };
  // Before anything is shown as a list: ssh may have to ask.
  return withConnections(addresses, connecting, async (reached) => {
    const rows = options.dryRun === true ? [] : addresses.map(boardRow);
    context.emit({ type: "plan", steps: [...releaseRows(project), ...rows] });
    const tar = await withCaches(context, project, async (inner) => buildRelease(inner, project));
    const release = await readRelease(tar.path);
    if (options.dryRun === true) return previewBoards(reached, release, concurrency);
    const health = healthCommand(context, project);
    const readLine = lineReader(context.cacheDir);
    return deployToAll(context, reached, release, { timeoutSeconds, concurrency, health, readLine });
  });
}

/** Puts a release on boards that were reached, and says what came of each. */
export async function deployToAll(
  context: Context,
  reached: readonly Reached[],
  release: Release,
  limits: DeployLimits,
): Promise<CommandResult> {
  const boards = await atMost(limits.concurrency, reached, async (one) => deployOne(context, one, release, limits));
  return {
    result: { release: release.id, targets: boards.map(({ result }) => result) },
    text: [...boards.map(describe), ...boards.flatMap((board) => describeLog(board, boards.length > 1))].join("\n"),
    status: boards.every(({ result }) => result.ok) ? 0 : 1,
  };
}

function boardRow(address: Address): { name: string; title: string } {
  return { name: rowName(address), title: `Board ${formatAddress(address)}` };
}

function rowName(address: Address): string {
  return `deploy-${formatAddress(address)}`;
}

async function deployOne(
  context: Context,
  { address, connection }: Reached,
  release: Release,
  limits: DeployLimits,
): Promise<Deployed> {
  const name = rowName(address);
  const started = performance.now();
  const host = formatAddress(address);
  const seconds = (): number => Math.round(performance.now() - started) / 1000;
  const progress = (text: string): void => context.emit({ type: "progress", name, text });
  try {
    const done = await showAsStep(
      context,
      name,
      async () => {
        if (connection instanceof RtkitError) throw connection;
        return deployRelease(connection, release, { ...limits, progress, signal: context.signal });
      },
      ({ changed }) => !changed,
    );
    const { previous, changed, sentBytes, log } = done;
    const facts = { host, ok: true, release: release.id, previous, changed, sentBytes, seconds: seconds() };
    return {
      address,
      result: { ...facts, rolledBack: false, code: null, reason: null, hint: null, log },
      error: undefined,
    };
  } catch (error) {
    const { error: told, previous, sentBytes, rolledBack } = failureOf(error);
    const facts = { host, ok: false, release: release.id, previous, changed: false, sentBytes, seconds: seconds() };
    const reason = { code: told.code, reason: told.message, hint: told.hint ?? null };
    return { address, result: { ...facts, rolledBack, ...reason, log: [] }, error: told };
  }
}

function failureOf(error: unknown): Pick<DeployFailure, "error" | "previous" | "sentBytes" | "rolledBack"> {
  if (error instanceof DeployFailure) return error;
  if (error instanceof RtkitError) return { previous: null, sentBytes: 0, rolledBack: false, error };
  throw error;
}

function describe({ address, error, result: board }: Deployed): string {
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
