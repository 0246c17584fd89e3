import { setTimeout as sleep } from "node:timers/promises";
import { RtkitError } from "../../core/errors.ts";
import { formatAddress } from "../../deploy/address.ts";
import type { HealthCommand } from "../../deploy/board.ts";
import type { Board } from "../../deploy/connect-all.ts";
import type { Release } from "../../deploy/release.ts";
import { followLog } from "../../deploy/rtnodectl.ts";
import type { Sealing } from "../../deploy/seal.ts";
import type { SshSettings } from "../../deploy/ssh-command.ts";
import { connect, type Connection } from "../../deploy/transport.ts";
import type { Context } from "../../pipeline/step.ts";
import { deployToAll } from "./deploy-boards.ts";
import { recordTime } from "./signing.ts";
import { inOrder, type LineReader } from "./traces.ts";
import type { WatchOutput } from "./watch-output.ts";

/** A release that boards are to get, counted from 1. */
export interface Build {
  readonly number: number;
  readonly release: Release;
  readonly health: HealthCommand | undefined;
  readonly seal: Sealing;
}

/** What the boards of one `--watch` share. */
export interface WatchSession {
  readonly settings: SshSettings;
  readonly timeoutSeconds: number;
  readonly readLine: LineReader;
  readonly output: WatchOutput;
  /** Waits for a build with a higher number, the newest there is. */
  readonly newer: (number: number) => Promise<Build>;
}

/** Seconds until a lost board is tried again: a reboot takes longer, and a link that stutters does not. */
const PAUSE_S = 5;

/**
 * Puts each new build on a board and passes its log on, through one connection that is made again when it breaks. Ends only
 * by throwing: the signal's reason when aborted.
 */
export async function keepBoard(context: Context, first: Connection, session: WatchSession): Promise<never> {
  let connection = first;
  let done = 0;
  const end = aborted(context.signal);
  end.catch(() => undefined);
  for (;;) {
    try {
      const lost = followUntilLost(context, connection, session);
      // Whoever left the race already does not hear of it.
      lost.catch(() => undefined);
      for (;;) {
        const build = await Promise.race([session.newer(done), lost, end]);
        if (build === "lost") break;
        const isWell = await deployBuild(context, connection, build, session);
        if (!isWell) break;
        done = build.number;
      }
    } finally {
      await connection.close();
    }
    connection = await reconnect(context, connection, session);
  }
}

/** Returns false when the connection broke: what the board has of it is seen when it answers again. */
async function deployBuild(
  context: Context,
  connection: Connection,
  { release, health, seal }: Build,
  { timeoutSeconds, readLine, output }: WatchSession,
): Promise<boolean> {
  const alone = { concurrency: 1, canary: 0, maxFailures: 0 };
  // A board that was away gets it later than it was built, and maybe after another one's deploy.
  const now = { ...seal, record: { ...seal.record, time: recordTime() } };
  const limits = { ...alone, timeoutSeconds, seal: now, health, readLine, withLog: false };
  const board: Board = { address: connection.address, visit: async (work) => work(connection) };
  const { result, text } = await deployToAll({ ...context, emit: output.later }, [board], release, limits);
  context.signal.throwIfAborted();
  output.deploy(result, text);
  return !isLost(result);
}

function isLost(result: object): boolean {
  const targets: unknown[] = "targets" in result && Array.isArray(result.targets) ? result.targets : [];
  return targets.some((one) => one instanceof Object && "code" in one && one.code === "RTK_SSH_LOST");
}

async function followUntilLost(
  { signal }: Context,
  connection: Connection,
  { readLine, output }: WatchSession,
): Promise<"lost"> {
  const host = formatAddress(connection.address);
  const lines = inOrder(
    async (line) => readLine(connection, line),
    (line) => output.log(host, line),
  );
  try {
    await followLog(connection, { node: undefined, follow: true, sinceSeconds: 0 }, lines.take);
  } catch (error) {
    if (signal.aborted || !(error instanceof RtkitError)) throw error;
    if (error.code === "RTK_SSH_LOST") return "lost";
    output.mistakes(error);
  }
  // Without its log: that the link is gone shows at the next deploy.
  return new Promise(() => undefined);
}

async function reconnect(
  { signal }: Context,
  last: Connection,
  { settings, output }: WatchSession,
): Promise<Connection> {
  const host = formatAddress(last.address);
  output.say(`the connection to ${host} was lost; trying again every ${PAUSE_S} s`);
  for (let told = ""; ;) {
    await sleep(PAUSE_S * 1000, undefined, { signal });
    try {
      const connection = await connect(last.address, { ...settings, ask: false }, signal);
      output.say(`${host} answers again`);
      return connection;
    } catch (error) {
      if (signal.aborted || !(error instanceof RtkitError)) throw error;
      if (error.message !== told) output.mistakes(error);
      told = error.message;
    }
  }
}

/** Rejects with the signal's reason when it aborts. */
export async function aborted(signal: AbortSignal): Promise<never> {
  signal.throwIfAborted();
  return new Promise((_, reject) => signal.addEventListener("abort", () => reject(signal.reason), { once: true }));
}
