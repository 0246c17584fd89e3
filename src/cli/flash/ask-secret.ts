import { createInterface } from "node:readline/promises";
import { Writable, type Readable } from "node:stream";

/** A terminal to ask on. */
export interface SecretTerminal {
  readonly input: Readable;
  readonly output: Writable;
  /** What Ctrl-C does, which the terminal gives as a character while we ask; it should abort `signal`. */
  readonly interrupt: () => void;
  readonly signal: AbortSignal;
}

/**
 * Asks for one line without showing what is typed; empty when the terminal is closed. Throws the signal's reason when it is
 * aborted.
 */
export async function askSecret(
  question: string,
  { input, output, interrupt, signal }: SecretTerminal,
): Promise<string> {
  // The line editor echoes into nothing.
  const nowhere = new Writable({ write: (_chunk, _encoding, done) => done() });
  const editor = createInterface({ input, output: nowhere, terminal: true, historySize: 0 });
  const closed = new Promise<string>((resolve) => editor.once("close", () => resolve("")));
  editor.on("SIGINT", interrupt);
  output.write(question);
  try {
    return await Promise.race([editor.question("", { signal }), closed]);
  } catch (error) {
    signal.throwIfAborted();
    throw error;
  } finally {
    editor.close();
    output.write("\n");
  }
}
