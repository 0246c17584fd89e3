import type { WriteStream } from "node:tty";

/** Lines on a terminal that take the place of those before. */
export interface LiveText {
  readonly show: (lines: readonly string[]) => void;
  /** Leaves the last lines where they are, and gives the cursor back. */
  readonly finish: () => void;
}

const HIDE_CURSOR = "\u001b[?25l";
const SHOW_CURSOR = "\u001b[?25h";

/** Shows lines on a terminal; what does not fit it is cut, since lines that wrap could not be taken back. */
export function liveText(terminal: Pick<WriteStream, "write" | "columns" | "rows">): LiveText {
  let shown = 0;
  return {
    show: (lines) => {
      const fitting = lines.slice(0, Math.max(terminal.rows - 1, 1)).map((line) => line.slice(0, terminal.columns - 1));
      const back = shown === 0 ? HIDE_CURSOR : `\u001b[${shown}A`;
      // Each line is cleared to its end, and what is below the last: nothing flickers.
      terminal.write(`${back}\r${fitting.map((line) => `${line}\u001b[K\n`).join("")}\u001b[J`);
      shown = fitting.length;
    },
    finish: () => {
      if (shown > 0) terminal.write(SHOW_CURSOR);
      shown = 0;
    },
  };
}
