import type { ReadStream } from "node:tty";

const CTRL_C = "\u0003";

/** Calls `quit` when q is typed at the terminal, and raises Ctrl-C as the terminal would; returns what ends that. */
export function listenForQuit(terminal: ReadStream, quit: () => void): () => void {
  const hear = (typed: Buffer): void => {
    const text = typed.toString("latin1");
    if (text.includes(CTRL_C)) process.kill(process.pid, "SIGINT");
    else if (/q/i.test(text)) quit();
  };
  // Keys come one by one, and are not shown.
  terminal.setRawMode(true);
  terminal.on("data", hear);
  terminal.resume();
  return () => {
    terminal.off("data", hear);
    terminal.setRawMode(false);
    terminal.pause();
  };
}
