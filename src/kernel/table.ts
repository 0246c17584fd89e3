import { isFatal, type OptionVerdict, type Verdict } from "./check.ts";

/**
 * The check as a table for people: what differs first, then what is fatal and not said, then what is made up for; with `all`
 * also what is as wanted, and all that is not said.
 */
export function renderKernelTable(options: readonly OptionVerdict[], all = false): string {
  const rows = options
    .filter((option) => all || !["satisfied", "unsaid"].includes(option.verdict) || isFatal(option))
    .map((option) => [
      MARKS[option.verdict],
      option.name,
      option.wanted,
      option.got,
      option.severity,
      option.verdict === "compensated" ? `by ${option.by ?? ""}` : option.verdict === "satisfied" ? "" : option.reason,
    ])
    .toSorted((a, b) => ORDER.indexOf(a[0] ?? "") - ORDER.indexOf(b[0] ?? ""));
  if (rows.length === 0) {
    const isWhole = options.every(({ verdict }) => verdict !== "unsaid");
    return isWhole ? "every option is as wanted" : "every option that it names is as wanted";
  }
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
  const unsaid = count("unsaid");
  const told = `${count("satisfied")} satisfied, ${count("compensated")} compensated at run time, ${count("differs")} differ`;
  return unsaid === 0
    ? told
    : `${told}, ${unsaid} not said: this is a defconfig, whose defaults the kernel's source knows; check the .config that it becomes`;
}

const MARKS: Readonly<Record<Verdict, string>> = {
  satisfied: "satisfied",
  compensated: "compensated",
  differs: "differs",
  unsaid: "not said",
};
const ORDER = [MARKS.differs, MARKS.unsaid, MARKS.compensated, MARKS.satisfied];
