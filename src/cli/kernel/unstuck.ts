import { shownPath } from "../../core/paths.ts";
import type { Unstuck } from "../../kernel/configure.ts";

/** An option that did not come out as asked, as `--json` has it. */
export function unstuckRow({ name, wanted, got, severity, accepted, why, where }: Unstuck): object {
  const place = { file: shownPath(where.file, process.cwd()), line: where.line };
  return { name, wanted, got, severity, accepted, reason: why, where: place };
}

/** The same for people, the worst first; nothing when all came out as asked. */
export function describeUnstuck(unstuck: readonly Unstuck[]): string[] {
  if (unstuck.length === 0) return [];
  const order = ["fatal", "high", "medium", "info"];
  const sorted = unstuck.toSorted((a, b) => rank(a) - rank(b));
  function rank({ severity, accepted }: Unstuck): number {
    return (accepted ? order.length : 0) + order.indexOf(severity);
  }
  const lines = sorted.flatMap(({ name, wanted, got, severity, accepted, why, where }) => [
    `CONFIG_${name}=${wanted} is ${got} (${severity}${accepted ? ", does as well" : ""}; ${shownPath(where.file, process.cwd())}:${where.line ?? 1})`,
    `  ${why}`,
  ]);
  const count = unstuck.length === 1 ? "one option is" : `${unstuck.length} options are`;
  return [`${count} not as asked:`, ...lines, ""];
}
