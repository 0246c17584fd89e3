import { formatAddress, type Address } from "../../deploy/address.ts";
import type { Look } from "../../deploy/node-watch.ts";
import { liveText } from "../../ui/live-text.ts";
import { LEGEND, lookLines, lookTable } from "./describe-look.ts";

/** Where what boards say goes: a table that changes on a terminal, lines elsewhere. */
export interface WatchOutput {
  readonly look: (address: Address, look: Look) => void;
  /** There is nothing new of a board, for this reason. */
  readonly away: (address: Address, reason: string) => void;
  readonly finish: () => void;
}

/** NDJSON: `{"type":"look","host",…}` and `{"type":"away","host","reason"}`. */
export function jsonOutput(write: (line: string) => void): WatchOutput {
  return {
    look: (address, look) => write(JSON.stringify({ type: "look", host: formatAddress(address), ...look })),
    away: (address, reason) => write(JSON.stringify({ type: "away", host: formatAddress(address), reason })),
    finish: () => undefined,
  };
}

/** Lines with the time and the board before them. */
export function plainOutput(write: (line: string) => void): WatchOutput {
  const say = (address: Address, lines: readonly string[]): void => {
    const time = new Date().toISOString().slice(11, 19);
    for (const line of lines) write(`${time} ${formatAddress(address)} ${line}`);
  };
  return {
    look: (address, look) => say(address, lookLines(look)),
    away: (address, reason) => say(address, [reason]),
    finish: () => undefined,
  };
}

/** After this time without news a board's rows are marked as old, ms: the link may be slow, or the board busy. */
const OLD_MS = 3000;

/** One table for each board, each in place of the one before. */
export function liveOutput(terminal: Parameters<typeof liveText>[0], addresses: readonly Address[]): WatchOutput {
  const text = liveText(terminal);
  const boards = new Map<Address, { look?: Look; reason: string; at: number }>(
    addresses.map((address) => [address, { reason: "connecting", at: performance.now() }]),
  );
  const draw = (): void => {
    const lines = [...boards].flatMap(([address, { look, reason, at }]) => {
      const silent = performance.now() - at;
      const old = reason === "" && silent > OLD_MS ? `nothing new for ${Math.round(silent / 1000)} s` : reason;
      const rows = look === undefined ? [] : lookTable(look);
      return [`${formatAddress(address)}${old === "" ? "" : `  ${old}`}`, ...rows, ""];
    });
    text.show([...lines, LEGEND, "q or Ctrl-C ends this"]);
  };
  const clock = setInterval(draw, 1000);
  draw();
  return {
    look: (address, look) => {
      boards.set(address, { look, reason: "", at: performance.now() });
      draw();
    },
    away: (address, reason) => {
      boards.set(address, { ...boards.get(address), reason, at: performance.now() });
      draw();
    },
    finish: () => {
      clearInterval(clock);
      text.finish();
    },
  };
}
