import { printable } from "../core/printable.ts";
import type { Blame } from "./run.ts";

/** Sections of rtla's analysis (tools/tracing/rtla/src/timerlat_aa.c), and what those that are named below them are. */
const SECTIONS: readonly (readonly [RegExp, string])[] = [
  [/^ {2}Blocking thread:/, "thread"],
  [/^ {2}NMI interference/, "non-maskable interrupt"],
  [/^ {2}IRQ interference/, "interrupt"],
  [/^ {2}Softirq interference/, "soft interrupt"],
  [/^ {2}Thread interference/, "thread"],
];

/** Reads what `rtla timerlat top --aa-only` printed. */
export function readBlame(thresholdUs: number, said: readonly string[]): Blame {
  const lines = said.map((line) => printable(line).trimEnd());
  return { thresholdUs, lines, culprit: culpritOf(lines), unavailable: null };
}

/** A search that could not be made. */
export function noBlame(thresholdUs: number, unavailable: string): Blame {
  return { thresholdUs, lines: [], culprit: null, unavailable };
}

/** The one that took most of the time. */
function culpritOf(lines: readonly string[]): Blame["culprit"] {
  let cpu: number | null = null;
  let kind = "";
  let delay: { cpu: number | null; us: number } | undefined;
  let blocking: string | undefined;
  const named: NonNullable<Blame["culprit"]>[] = [];
  for (const line of lines) {
    const header = /^## CPU (\d+) hit stop tracing/.exec(line);
    if (header !== null) cpu = Number(header[1]);
    const irqDelay = /^ {2}IRQ handler delay:.*?([\d.]+) us/.exec(line);
    if (irqDelay !== null) delay = { cpu, us: Number(irqDelay[1]) };
    const handler = /^ {2}Timerlat IRQ duration:\s+([\d.]+) us/.exec(line);
    if (handler !== null) named.push({ cpu, what: "the timer interrupt's own handler", us: Number(handler[1]) });
    kind = SECTIONS.find(([section]) => section.test(line))?.[1] ?? (/^ {2}\S/.test(line) ? "" : kind);
    const who = /^\s+(\S.*?):(\d+)\s*(?:([\d.]+) us)?$/.exec(line);
    if (who === null || kind === "") continue;
    const what = `${kind} ${who[1]} (${who[2]})`;
    if (kind === "thread") blocking ??= what;
    if (who[3] !== undefined) named.push({ cpu, what, us: Number(who[3]) });
  }
  if (delay !== undefined) {
    const during = blocking === undefined ? "" : ` while ${blocking} ran`;
    named.push({ ...delay, what: `interrupts that were off, or the hardware${during}` });
  }
  return named.toSorted((a, b) => b.us - a.us)[0] ?? null;
}
