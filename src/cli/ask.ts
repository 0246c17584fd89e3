import { createInterface } from "node:readline/promises";

/** Asks whoever is at the terminal for a line, and returns it; an empty one where the terminal is closed instead. */
export type Ask = (question: string) => Promise<string>;

/** Questions on the terminal, until `signal` aborts them; undefined where there is none. */
export function askOnTerminal(signal: AbortSignal): Ask | undefined {
  if (!process.stdin.isTTY) return undefined;
  return async (question) => {
    const terminal = createInterface({ input: process.stdin, output: process.stderr });
    const closed = new Promise<string>((resolve) => terminal.once("close", () => resolve("")));
    // The terminal gives Ctrl-C to whoever reads lines from it.
    terminal.once("SIGINT", () => process.kill(process.pid, "SIGINT"));
    try {
      return await Promise.race([terminal.question(question, { signal }), closed]);
    } catch (error) {
      signal.throwIfAborted();
      throw error;
    } finally {
      terminal.close();
    }
  };
}
