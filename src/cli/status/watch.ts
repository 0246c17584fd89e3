import { setTimeout as sleep } from "node:timers/promises";
import { RtkitError } from "../../core/errors.ts";
import type { Address } from "../../deploy/address.ts";
import { withConnections, type Board } from "../../deploy/connect-all.ts";
import { watchNodes } from "../../deploy/node-watch.ts";
import { connect, type Connection } from "../../deploy/transport.ts";
import type { Context } from "../../pipeline/step.ts";
import { addressesFor, sshSettings, type BoardOptions } from "../deploy/boards.ts";
import type { CommandResult } from "../session.ts";
import { listenForQuit } from "./keys.ts";
import { jsonOutput, liveOutput, plainOutput, type WatchOutput } from "./watch-output.ts";

/** Seconds until a board that does not answer is tried again. */
const PAUSE_S = 2;

/** Why a board that was there may be away for a while: it restarts, its name or its link is down. */
const PASSING = new Set([
  "RTK_SSH_LOST",
  "RTK_SSH_REFUSED",
  "RTK_SSH_UNREACHABLE",
  "RTK_SSH_HOST_NOT_FOUND",
  "RTK_SSH_FAILED",
]);

/** What the boards of one `--watch` share. */
interface WatchSession {
  readonly output: WatchOutput;
  readonly isAlone: boolean;
  readonly signal: AbortSignal;
  readonly reconnect: (address: Address) => Promise<Connection>;
}

/** The work of `rtkit status --watch`: boards are looked at each second until q or Ctrl-C, and found again when they restart. */
export async function watchBoards(
  context: Context,
  targets: readonly string[],
  options: BoardOptions,
): Promise<CommandResult> {
  const addresses = await addressesFor(context, targets, options);
  const settings = sshSettings(options);
  const quit = new AbortController();
  const signal = AbortSignal.any([context.signal, quit.signal]);
  const reconnect = async (address: Address): Promise<Connection> =>
    connect(address, { ...settings, ask: false }, signal);
  try {
    await withConnections(addresses, { settings, concurrency: addresses.length, signal }, async (boards) => {
      // Questions about keys and passwords, if any, have been asked.
      const output = outputFor(options, addresses);
      const isLive = options.json !== true && process.stdout.isTTY && process.stdin.isTTY;
      const stop = isLive ? listenForQuit(process.stdin, () => quit.abort()) : undefined;
      try {
        await Promise.all(
          boards.map(async (board) => keepWatching(board, { output, isAlone: boards.length === 1, signal, reconnect })),
        );
      } finally {
        stop?.();
        output.finish();
      }
    });
  } catch (error) {
    if (!quit.signal.aborted || context.signal.aborted) throw error;
  }
  return { result: {}, text: "" };
}

function outputFor({ json }: BoardOptions, addresses: readonly Address[]): WatchOutput {
  if (json === true) return jsonOutput(write);
  return process.stdout.isTTY ? liveOutput(process.stdout, addresses) : plainOutput(write);
}

function write(line: string): void {
  process.stdout.write(`${line}\n`);
}

/** Ends only by throwing: the signal's reason when aborted, and why nothing can be seen of a board that is the only one. */
async function keepWatching(
  { address, visit }: Board,
  { output, isAlone, signal, reconnect }: WatchSession,
): Promise<never> {
  let wasThere = false;
  const watch = async (connection: Connection): Promise<never> =>
    watchNodes(
      connection,
      (look) => {
        wasThere = true;
        output.look(address, look);
      },
      signal,
    );
  const again = async (): Promise<never> => {
    const connection = await reconnect(address);
    try {
      return await watch(connection);
    } finally {
      await connection.close();
    }
  };
  for (let attempt = async (): Promise<never> => visit(watch); ; attempt = again) {
    try {
      await attempt();
    } catch (error) {
      if (signal.aborted || !(error instanceof RtkitError)) throw error;
      const isPassing = PASSING.has(error.code);
      if (isAlone && !(isPassing && wasThere)) throw error;
      output.away(address, isPassing ? `${error.message}; trying again every ${PAUSE_S} s` : error.message);
      // The others go on.
      if (!isPassing) await sleep(FOREVER_MS, undefined, { signal });
    }
    await sleep(PAUSE_S * 1000, undefined, { signal });
  }
}

/** The longest that a timer of Node takes, 24 days. */
const FOREVER_MS = 2 ** 31 - 1;
