import { RtkitError } from "../core/errors.ts";
import { atMost } from "../pipeline/concurrent.ts";
import type { Address } from "./address.ts";
import type { SshSettings } from "./ssh-command.ts";
import { connect, type Connection } from "./transport.ts";

/** A board, and its connection or why there is none. */
export interface Reached {
  readonly address: Address;
  readonly connection: Connection | RtkitError;
}

/** What somebody at the terminal can help with: an unknown host key, a key with a passphrase, a password. */
const ASKABLE = new Set(["RTK_SSH_HOST_KEY_UNKNOWN", "RTK_SSH_LOGIN"]);

/**
 * Connects to boards, at most `concurrency` at once, without a question; then, where there is somebody to ask, once more
 * and one after the other to those that need an answer. `work` gets all of them, and all connections are closed after it.
 */
export async function withConnections<T>(
  addresses: readonly Address[],
  options: { readonly settings: SshSettings; readonly concurrency: number; readonly signal: AbortSignal },
  work: (reached: readonly Reached[]) => Promise<T>,
): Promise<T> {
  const { settings, concurrency, signal } = options;
  const open: Connection[] = [];
  const reach = async (address: Address, ask: boolean): Promise<Reached> => {
    try {
      const connection = await connect(address, { ...settings, ask }, signal);
      open.push(connection);
      return { address, connection };
    } catch (error) {
      if (error instanceof RtkitError) return { address, connection: error };
      throw error;
    }
  };
  try {
    const reached = await atMost(concurrency, addresses, async (address) => reach(address, false));
    if (settings.ask) {
      for (const [index, { address, connection }] of reached.entries()) {
        if (!(connection instanceof RtkitError) || !ASKABLE.has(connection.code)) continue;
        reached[index] = await reach(address, true);
      }
    }
    return await work(reached);
  } finally {
    await Promise.all(open.map(async (connection) => connection.close()));
  }
}
