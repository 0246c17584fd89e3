import type { OptionVerdict, Verdict } from "./check.ts";

/** The check as a table for people: what differs first, then what is made up for; with `all` also what is as wanted. */
export function renderKernelTable(options: readonly OptionVerdict[], all = false): string {
  const rows = options
    .filter(({ verdict }) => all || verdict !== "satisfied")
    .map((option) => [
      MARKS[option.verdict],
      option.name,
      option.wanted,
      option.got,
      option.severity,
      option.verdict === "compensated" ? `by ${option.by ?? ""}` : option.verdict === "differs" ? option.reason : "",
    ])
    .toSorted((a, b) => ORDER.indexOf(a[0] ?? "") - ORDER.indexOf(b[0] ?? ""));
  if (rows.length === 0) return "every option is as wanted";
  const table = [["", "option", "wanted", "got", "severity", ""], ...rows];
  const widths = [0, 1, 2, 3, 4].map((column) => Math.max(...table.map((row) => (row[column] ?? "").length)));
  const lines = table.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("  ")
      .trimEnd(),
  );
  return lines.join("\n");
}

/** The check in one line: how many options are as wanted, made up for, and not. */
export function summarizeKernel(options: readonly OptionVerdict[]): string {
  const count = (verdict: Verdict): number => options.filter((option) => option.verdict === verdict).length;
  return `${count("satisfied")} satisfied, ${count("compensated")} compensated at run time, ${count("differs")} differ`;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  satisfied: "satisfied",
  compensated: "compensated",
  differs: "differs",
};
const ORDER = [MARKS.differs, MARKS.compensated, MARKS.satisfied];
