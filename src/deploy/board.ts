import { setTimeout as sleep } from "node:timers/promises";
import { RtkitError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { formatAddress } from "./address.ts";
import { notIsolated, SETTLE_MS, watchHealth } from "./health.ts";
import type { Release } from "./release.ts";
import { sendAndActivate, type Answer } from "./exchange.ts";
import { graceAfter, takeBack } from "./interrupted.ts";
import { askStatus, confirm, lastLines, recentLines, revert } from "./rtnodectl.ts";
import { sealFor, type Sealing } from "./seal.ts";
import type { Connection } from "./transport.ts";
import { activateInTurn } from "./turn.ts";

/**
 * The project's own look at a board whose nodes are as they should be: returns when all is well, and throws an RtkitError
 * with the reason when not, or when it took longer than `timeoutMs`.
 */
export type HealthCommand = (connection: Connection, release: string, timeoutMs: number) => Promise<void>;

/** How a release is put on one board. */
export interface DeployOptions {
  /** Seconds until every node must be as the release asks. */
  readonly timeoutSeconds: number;
  /** What the board keeps of this deploy; nothing without. */
  readonly seal?: Sealing | undefined;
  /** The project's own; without it, nodes that are well are enough. */
  readonly health?: HealthCommand | undefined;
  /** Makes the places in a line that a node logged readable. */
  readonly readLine?: ((connection: Connection, line: string) => Promise<string>) | undefined;
  /** False where somebody follows the nodes' logs anyway: then none is returned. */
  readonly withLog?: boolean | undefined;
  /** Hears how far it is, in a few words. */
  readonly progress: (text: string) => void;
  /** Hears what a board does that was left in the middle, and what else somebody should know of it. */
  readonly warn: (text: string) => void;
  /** Interrupts the deploy: a board that is on the new release is told to go back first. */
  readonly signal: AbortSignal;
  /** Ends that as well. */
  readonly leave?: AbortSignal | undefined;
}

/** What {@link deployRelease} did to a board. */
export interface Deployed {
  /** The release that was active before; null for none. */
  readonly previous: string | null;
  /** False when the release was active already: then nothing was sent and nothing restarted. */
  readonly changed: boolean;
  readonly sentBytes: number;
  /** When the release was active and its nodes restarted, in ms of performance.now(); null when not by us. */
  readonly activeAt: number | null;
  /** What the nodes logged since the release became active. */
  readonly log: readonly string[];
}

/** A board that does not have the release now, and why. */
export class DeployFailure extends Error {
  readonly error: RtkitError;
  readonly previous: string | null;
  readonly sentBytes: number;
  /** Null when the connection broke before the board could say. */
  readonly rolledBack: boolean | null;

  constructor(error: RtkitError, facts: Pick<DeployFailure, "previous" | "sentBytes" | "rolledBack">) {
    super(error.message, { cause: error });
    this.error = error;
    this.previous = facts.previous;
    this.sentBytes = facts.sentBytes;
    this.rolledBack = facts.rolledBack;
  }
}

/** Between two looks at the nodes, ms: each costs the board a few processes. */
const LOOK_MS = 250;

/** Seconds that the board waits for the word beyond the nodes' own time: for a slow link's last messages. */
const CONFIRM_MARGIN_S = 15;

/** Lines of a failing node's log that are shown. */
const LOG_LINES = 15;

/**
 * Sends what a board lacks of a release, makes it active, and watches the nodes; then it stays, or the board goes back.
 * Throws {@link DeployFailure} around RTK_DEPLOY_UNHEALTHY when it went back, and around what {@link sealFor},
 * ./transport.ts, ./exchange.ts and ./rtnodectl.ts throw. Run again, it does what is missing.
 */
export async function deployRelease(
  connection: Connection,
  release: Release,
  options: DeployOptions,
): Promise<Deployed> {
  const { progress, signal, leave } = options;
  const grace = graceAfter(signal, leave);
  let previous: string | null = null;
  let sentBytes = 0;
  let active = false;
  let activeAt: number | null = null;
  const order = async (): Promise<Answer> => {
    // From the last word on not interrupted: what comes after it would overtake it.
    const cut = new AbortController();
    const interrupt = (): void => void (active || cut.abort(signal.reason));
    signal.addEventListener("abort", interrupt, { once: true });
    try {
      signal.throwIfAborted();
      const answer = await sendAndActivate(connection, release, {
        seconds: Math.ceil(options.timeoutSeconds) + CONFIRM_MARGIN_S,
        seal: async (board) => {
          previous = board.release;
          return options.seal === undefined ? undefined : sealFor(connection.address, board, options.seal);
        },
        sending: (bytes) => {
          sentBytes = Math.max(sentBytes, bytes);
          progress(`sending ${formatSize(bytes)}, activating`);
        },
        commit: () => {
          signal.throwIfAborted();
          active = true;
        },
        signal: AbortSignal.any([cut.signal, grace]),
      });
      if (answer.release !== release.id) activeAt = performance.now();
      return answer;
    } catch (error) {
      if (error instanceof RtkitError && error.code === "RTK_DEPLOY_REFUSED") active = false;
      throw error;
    } finally {
      signal.removeEventListener("abort", interrupt);
    }
  };
  try {
    progress("asking what it has");
    const turn = await activateInTurn(connection, release.id, order, options);
    ({ previous } = turn);
    if (turn.by === "another, confirmed") return { previous, changed: false, sentBytes, activeAt, log: [] };
    // Also one of a deploy that was cut off before it could confirm: only that is missing.
    active = true;
    const log = await prove(connection, release, options);
    return { previous, changed: true, sentBytes, activeAt, log };
  } catch (error) {
    if (signal.aborted) {
      if (active) options.warn(await takeBack(connection, release.id, grace));
      // Also of a link that broke meanwhile: it was interrupted.
      throw signal.reason as Error;
    }
    const why: unknown = error instanceof Unhealthy ? error.told : error;
    if (!active) {
      if (!(why instanceof RtkitError)) throw why;
      throw new DeployFailure(why, { previous, sentBytes, rolledBack: false });
    }
    // Whatever it was: nobody has seen the nodes well, and nobody will.
    const { rolledBack, told } = await goBack(connection, { id: release.id, previous }, options, why, grace);
    if (!(told instanceof RtkitError)) throw told;
    throw new DeployFailure(told, { previous, sentBytes, rolledBack });
  }
}

/** Tells a board that is on the new release to go back, and what is to be told then. */
async function goBack(
  connection: Connection,
  { id, previous }: { readonly id: string; readonly previous: string | null },
  options: DeployOptions,
  why: unknown,
  grace: AbortSignal,
): Promise<{ readonly rolledBack: boolean | null; readonly told: unknown }> {
  if (why instanceof RtkitError && why.code === "RTK_SSH_LOST") {
    return { rolledBack: null, told: goesBackByItself(connection, options, why, previous) };
  }
  try {
    if (await revert(connection, id, grace)) return { rolledBack: true, told: why };
    return { rolledBack: false, told: why instanceof RtkitError ? isConfirmed(why) : why };
  } catch (refused) {
    if (!(refused instanceof RtkitError) || !(why instanceof RtkitError)) return { rolledBack: null, told: why };
    const lost = refused.code === "RTK_SSH_LOST";
    const told = lost ? goesBackByItself(connection, options, why, previous) : cannotGoBack(why, refused);
    return { rolledBack: lost ? null : false, told };
  }
}

/** The nodes are not as they should be; the board is still on the new release. */
class Unhealthy extends Error {
  readonly told: RtkitError;

  constructor(told: RtkitError) {
    super(told.message);
    this.told = told;
  }
}

/** Watches until the nodes are healthy, confirms, and returns what they logged meanwhile. */
async function prove(connection: Connection, release: Release, options: DeployOptions): Promise<string[]> {
  const { timeoutSeconds, progress, signal, health } = options;
  const judge = watchHealth(release.id, release.nodes);
  const started = performance.now();
  let asked = health === undefined;
  for (;;) {
    const status = await askStatus(connection);
    const now = performance.now();
    const verdict = judge(status, now);
    if (verdict.state === "healthy" && !asked) {
      progress("asking the project's own health check");
      await ask(health, connection, release, timeoutSeconds * 1000 - (now - started));
      asked = true;
      // What became of the nodes meanwhile is seen next.
      continue;
    }
    if (verdict.state === "healthy") {
      const log = options.withLog === false ? [] : recentLines(connection, Math.ceil((now - started) / 1000));
      const [lines] = await Promise.all([log, confirmOnce(connection, release.id)]);
      const doubt = notIsolated(release.nodes, status.kernel.isolatedCpus);
      if (doubt !== undefined) options.warn(`${formatAddress(connection.address)}: ${doubt}`);
      return readable(connection, options, lines);
    }
    if (verdict.state === "failed") throw await unhealthy(connection, options, verdict.why, verdict.node);
    if (now - started > timeoutSeconds * 1000) {
      throw await unhealthy(connection, options, `${verdict.why}, after ${timeoutSeconds} s`, verdict.node);
    }
    progress(verdict.why);
    // While they settle a look in between would tell nothing that the one at the end does not.
    await sleep(verdict.node === null ? SETTLE_MS : LOOK_MS, undefined, { signal });
  }
}

/** Confirms; that another deploy of the same release has done so already is as good. */
async function confirmOnce(connection: Connection, id: string): Promise<void> {
  try {
    await confirm(connection, id);
  } catch (error) {
    if (!(error instanceof RtkitError && error.code === "RTK_DEPLOY_REFUSED")) throw error;
    const { release, pending } = await askStatus(connection);
    if (release !== id || pending !== null) throw error;
  }
}

/** Throws {@link Unhealthy} when the project's own check does not find the board well. */
async function ask(
  health: HealthCommand | undefined,
  connection: Connection,
  release: Release,
  timeoutMs: number,
): Promise<void> {
  try {
    await health?.(connection, release.id, Math.max(timeoutMs, 0));
  } catch (error) {
    if (error instanceof RtkitError && error.code === "RTK_DEPLOY_HEALTH") throw new Unhealthy(error);
    throw error;
  }
}

async function unhealthy(
  connection: Connection,
  options: DeployOptions,
  why: string,
  node: string | null,
): Promise<Unhealthy> {
  const lines = node === null ? [] : await readable(connection, options, await lastLines(connection, node, LOG_LINES));
  const shown = lines.length === 0 ? "" : `; its last lines:\n${lines.map((line) => `  ${line}`).join("\n")}`;
  return new Unhealthy(
    new RtkitError("RTK_DEPLOY_UNHEALTHY", `${why} on ${formatAddress(connection.address)}${shown}`, {
      hint: "the board went back to its previous release; mend the node, or give it more time with --timeout",
    }),
  );
}

async function readable(
  connection: Connection,
  { readLine }: DeployOptions,
  lines: readonly string[],
): Promise<string[]> {
  const read = async (line: string): Promise<string> => (readLine === undefined ? line : readLine(connection, line));
  return Promise.all(lines.map(read));
}

/** The board could not be told to go back, or does not answer: what it does then. */
function goesBackByItself(
  { address }: Connection,
  { timeoutSeconds }: DeployOptions,
  why: RtkitError,
  previous: string | null,
): RtkitError {
  const seconds = Math.ceil(timeoutSeconds) + CONFIRM_MARGIN_S;
  const board = formatAddress(address);
  const then =
    previous === null
      ? `${board} had no release to go back to: it is on this one, or on none`
      : `unless it heard that all is well, ${board} goes back by itself within ${seconds} s`;
  const what = `${why.message}; ${then}`;
  return new RtkitError(why.code, what, { hint: "run it again when the board answers", cause: why });
}

/** Another deploy of the same release has found the nodes well. */
function isConfirmed(why: RtkitError): RtkitError {
  return new RtkitError(why.code, `${why.message}\nand it stays: another deploy has confirmed this release`, {
    hint: "rtkit status shows how it is; rtkit rollback goes back",
    cause: why,
  });
}

/** A board that had no release before, for example, has nothing to go back to. */
function cannotGoBack(why: RtkitError, refused: RtkitError): RtkitError {
  return new RtkitError(why.code, `${why.message}\nand it did not go back: ${refused.message}`, {
    hint: "the release is still there; mend the node and deploy again",
    cause: refused,
  });
}
