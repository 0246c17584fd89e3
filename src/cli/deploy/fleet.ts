import { RtkitError } from "../../core/errors.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import { DeployFailure, deployRelease, type DeployOptions } from "../../deploy/board.ts";
import type { Board } from "../../deploy/connect-all.ts";
import type { Release } from "../../deploy/release.ts";
import { planWaves, whyStop, type Caution } from "../../deploy/waves.ts";
import { atMost } from "../../pipeline/concurrent.ts";
import { showAsStep } from "../../pipeline/show.ts";
import type { Context } from "../../pipeline/step.ts";

/** How boards get a release. */
export interface FleetLimits
  extends Caution, Pick<DeployOptions, "timeoutSeconds" | "seal" | "health" | "readLine" | "withLog"> {
  readonly concurrency: number;
}

/** One board in the result of `rtkit deploy`. */
export interface BoardResult {
  readonly host: string;
  readonly ok: boolean;
  /** The release that was to be there. */
  readonly release: string;
  /** The one that was active before; null for none, or when the board could not say. */
  readonly previous: string | null;
  /** False when the release was active already. */
  readonly changed: boolean;
  readonly sentBytes: number;
  /** From the start of its deploy until the release was active and its nodes restarted; null when it was not made so now. */
  readonly activeSeconds: number | null;
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
export interface Deployed {
  readonly address: Address;
  readonly result: BoardResult;
  readonly error: RtkitError | undefined;
}

/** The code of a board that was not begun because others failed. */
export const LEFT_OUT = "RTK_DEPLOY_LEFT_OUT";

/** Puts a release on boards in waves, and says what came of each, in the boards' order. */
export async function deployInWaves(
  context: Context,
  boards: readonly Board[],
  release: Release,
  limits: FleetLimits,
): Promise<Deployed[]> {
  let begun = 0;
  let failed = 0;
  const deployed: Deployed[] = [];
  for (const wave of planWaves(boards, limits)) {
    const ended = await atMost(limits.concurrency, wave, async (board) => {
      const why = whyStop(begun, failed, limits);
      begun += why === undefined ? 1 : 0;
      const one =
        why === undefined ? await deployOne(context, board, release, limits) : leftOut(board.address, release, why);
      if (why === undefined && !one.result.ok) failed += 1;
      context.emit({ type: "target", result: one.result });
      return one;
    });
    deployed.push(...ended);
  }
  return deployed;
}

/** The name of a board's step. */
export function rowName(address: Address): string {
  return `deploy-${formatAddress(address)}`;
}

async function deployOne(context: Context, board: Board, release: Release, limits: FleetLimits): Promise<Deployed> {
  const { address } = board;
  const name = rowName(address);
  const started = performance.now();
  const since = (time: number): number => Math.round(time - started) / 1000;
  const options = {
    ...limits,
    progress: (text: string): void => context.emit({ type: "progress", name, text }),
    warn: (message: string): void => context.emit({ type: "warning", message }),
    signal: context.signal,
    leave: context.leave,
  };
  try {
    const done = await showAsStep(
      context,
      name,
      async () => board.visit(async (connection) => deployRelease(connection, release, options)),
      ({ changed }) => !changed,
    );
    const { activeAt, ...facts } = done;
    const times = { activeSeconds: activeAt === null ? null : since(activeAt), seconds: since(performance.now()) };
    return {
      address,
      result: { ...nothing(address, release), ...facts, ...times, ok: true },
      error: undefined,
    };
  } catch (error) {
    const { error: told, ...facts } = failureOf(error);
    return failure(address, told, { ...nothing(address, release), ...facts, seconds: since(performance.now()) });
  }
}

function leftOut(address: Address, release: Release, why: string): Deployed {
  const told = new RtkitError(LEFT_OUT, `${formatAddress(address)} was not begun: ${why}`, {
    hint: "mend what failed and run it again: it does only what is missing",
  });
  return failure(address, told, nothing(address, release));
}

function nothing(address: Address, { id }: Release): BoardResult {
  return {
    host: formatAddress(address),
    ok: false,
    release: id,
    previous: null,
    changed: false,
    sentBytes: 0,
    activeSeconds: null,
    seconds: 0,
    rolledBack: false,
    code: null,
    reason: null,
    hint: null,
    log: [],
  };
}

function failure(address: Address, error: RtkitError, facts: BoardResult): Deployed {
  const { code, message, hint = null } = error;
  return { address, result: { ...facts, code, reason: message, hint }, error };
}

function failureOf(error: unknown): Pick<DeployFailure, "error" | "previous" | "sentBytes" | "rolledBack"> {
  if (error instanceof DeployFailure) {
    const { error: told, previous, sentBytes, rolledBack } = error;
    return { error: told, previous, sentBytes, rolledBack };
  }
  if (error instanceof RtkitError) return { previous: null, sentBytes: 0, rolledBack: false, error };
  throw error;
}
