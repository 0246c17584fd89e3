import { RULES } from "./audit.ts";

/** The table of docs/doctor.md: all that an audit can find. */
export function auditReference(): string {
  const rows = RULES.map(({ id, severities, why, remedy, mends, source }) =>
    [`\`${id}\``, severities.join(", "), why, remedy, mends === undefined ? "" : "yes", source].map(cell),
  );
  const heads = ["id", "severity", "why it matters", "what mends it", "`--fix`", "source"];
  return [heads, heads.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}

/** A page with the table in its place. */
export function withTable(page: string, table: string): string {
  return page.replace(
    /(<!-- findings -->\n)[\s\S]*(<!-- \/findings -->)/,
    (_, start: string, end: string) => `${start}\n${table}\n\n${end}`,
  );
}

function cell(text: string): string {
  return text.replaceAll("|", "\\|");
}
