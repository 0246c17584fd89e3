import type { BoardFinding } from "../../audit/finding.ts";
import { isVirtual } from "../../audit/rule.ts";
import { formatAddress, type Address } from "../../deploy/address.ts";
import type { Audited, Mended } from "./audited.ts";

/** The worst first. */
const ORDER = ["high", "medium", "info", "ok"] as const;

/** An audit for people: what is wrong, why and what mends it; what was mended; and a straight answer. */
export function describeAudit(address: Address, audited: Audited, wantsFix: boolean): string {
  const { facts, findings, mended, complaints } = audited;
  const what = [facts.model, facts.os, `Linux ${facts.kernel}`].filter((part) => part !== "");
  const wrong = ORDER.slice(0, 3).flatMap((severity) => findings.filter((one) => one.severity === severity));
  const well = findings.filter(({ severity }) => severity === "ok").map(({ id }) => id);
  return [
    `${formatAddress(address)}  ${what.join(", ")}`,
    "",
    ...wrong.flatMap((finding) => describeFinding(finding)),
    ...wrapped(`ok      ${well.join(", ")}`),
    ...(mended === null ? dryRun(findings, wantsFix) : describeMended(mended, complaints)),
    "",
    answer(audited),
  ].join("\n");
}

function describeFinding({ severity, id, evidence, why, remedy, mends }: BoardFinding): string[] {
  return [
    `${severity.padEnd(7)} ${id}: ${evidence}`,
    `        ${why}`,
    ...(remedy === null ? [] : [`        → ${remedy}${mends === null ? "" : " (--fix does it)"}`]),
    "",
  ];
}

function dryRun(findings: readonly BoardFinding[], wantsFix: boolean): string[] {
  if (!wantsFix) return [];
  const settings = findings.flatMap(({ id, mends }) => (mends === null ? [] : [`would mend ${id} (${mends})`]));
  return ["", ...(settings.length === 0 ? ["there is nothing that --fix mends"] : settings)];
}

function describeMended(mended: readonly Mended[], complaints: readonly string[]): string[] {
  if (mended.length === 0) return ["", "there was nothing that --fix mends"];
  return [
    "",
    ...mended.map(
      ({ id, was, is, ok }) => `${ok ? "mended" : "not mended"}  ${id}: ${was}; now: ${is === "" ? "nothing" : is}`,
    ),
    ...complaints.map((line) => `the board says: ${line}`),
  ];
}

/** "Is it really real-time?" */
function answer({ facts, findings }: Audited): string {
  const isRealtime = findings.some(({ id, severity }) => id === "kernel-realtime" && severity === "ok");
  const count = (wanted: string): number => findings.filter(({ severity }) => severity === wanted).length;
  const high = count("high");
  const medium = count("medium");
  const bad = [high === 0 ? "" : `${high} high`, medium === 0 ? "" : `${medium} medium`].filter((part) => part !== "");
  const rest = bad.length === 0 ? "and nothing stands in a node's way" : `but: ${bad.join(" and ")}`;
  const verdict = isRealtime
    ? `real-time: yes, the kernel is PREEMPT_RT, ${rest}`
    : "real-time: no, the kernel is not PREEMPT_RT";
  return isVirtual(facts)
    ? `${verdict}\nit is a virtual machine (${facts.virtualization}): its figures are not those of a board`
    : verdict;
}

/** At commas, for a terminal of usual width. */
function wrapped(text: string): string[] {
  const lines: string[] = [];
  let line = "";
  for (const word of text.split(/(?<=,) /)) {
    if (line !== "" && line.length + word.length > WIDTH) {
      lines.push(line);
      line = "        ";
    }
    line += line.trim() === "" || line.endsWith(" ") ? word : ` ${word}`;
  }
  return [...lines, line];
}

const WIDTH = 100;
