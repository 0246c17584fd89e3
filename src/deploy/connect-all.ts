import { RtkitError } from "../core/errors.ts";
import { atMost } from "../pipeline/concurrent.ts";
import type { Address } from "./address.ts";
import type { SshSettings } from "./ssh-command.ts";
import { connect, type Connection } from "./transport.ts";

/** A board that can be visited. */
export interface Board {
  readonly address: Address;
  /** Works with the board over a connection that is there, or is made now. Throws why there is none, and as the work. */
  readonly visit: <T>(work: (connection: Connection) => Promise<T>) => Promise<T>;
}

/** What somebody at the terminal can help with: an unknown host key, a key with a passphrase, a password. */
const ASKABLE = new Set(["RTK_SSH_HOST_KEY_UNKNOWN", "RTK_SSH_LOGIN"]);

/**
 * Gives `work` boards to visit. Up to `concurrency` of them are connected to in the background and stay connected until it
 * ended; of more, each is while it is visited, so that a hundred boards need no more memory than ten. Where there is
 * somebody to ask, all of them are tried first without a question, and those that need an answer then one after the
 * other; these stay connected, since an answer is not to be given twice.
 */
export async function withConnections<T>(
  addresses: readonly Address[],
  options: { readonly settings: SshSettings; readonly concurrency: number; readonly signal: AbortSignal },
  work: (boards: readonly Board[]) => Promise<T>,
): Promise<T> {
  const { settings, concurrency } = options;
  const keep = addresses.length <= concurrency;
  const end = new AbortController();
  const signal = AbortSignal.any([options.signal, end.signal]);
  const held = new Map<Address, Promise<Connection>>();
  const open = async (address: Address, ask: boolean): Promise<Connection> =>
    connect(address, { ...settings, ask }, signal);
  const hold = (address: Address, connection: Promise<Connection>): void => {
    connection.catch(() => undefined);
    held.set(address, connection);
  };

  /** Whether somebody is to be asked. Any other reason that there is no connection is kept for the visit. */
  const needsAnswer = async (address: Address): Promise<boolean> => {
    const connecting = held.get(address) ?? open(address, false);
    try {
      const connection = await connecting;
      if (!keep) await connection.close();
      return false;
    } catch (error) {
      if (error instanceof RtkitError && ASKABLE.has(error.code)) return true;
      hold(address, connecting);
      return false;
    }
  };

  const visit = async <R>(address: Address, task: (connection: Connection) => Promise<R>): Promise<R> => {
    const connecting = held.get(address) ?? open(address, false);
    if (keep) hold(address, connecting);
    let connection: Connection | undefined;
    let stays = false;
    try {
      connection = await connecting;
      const result = await task(connection);
      stays = keep;
      return result;
    } catch (error) {
      stays = keep && connection !== undefined && !(error instanceof RtkitError && error.code === "RTK_SSH_LOST");
      throw error;
    } finally {
      if (!stays) {
        held.delete(address);
        await connection?.close();
      }
    }
  };

  try {
    if (keep) for (const address of addresses) hold(address, open(address, false));
    if (settings.ask) {
      const answers = await atMost(concurrency, addresses, needsAnswer);
      for (const [index, address] of addresses.entries()) {
        if (answers[index] !== true) continue;
        hold(address, open(address, true));
        await held.get(address)?.catch(() => undefined);
      }
    }
    return await work(addresses.map((address) => ({ address, visit: async (task) => visit(address, task) })));
  } finally {
    end.abort();
    await Promise.all([...held.values()].map(async (made) => (await made.catch(() => undefined))?.close()));
  }
}
