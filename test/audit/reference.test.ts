import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { RULES } from "../../src/audit/audit.ts";
import { auditReference, withTable } from "../../src/audit/reference.ts";
import { rtkitRoot } from "../../src/core/paths.ts";

const page = await readFile(join(rtkitRoot, "docs/doctor.md"), "utf8");

it("docs/doctor.md has the table that `npm run generate` writes", () => {
  expect(page).toContain(auditReference());
  expect(withTable(page, auditReference())).toBe(page);
});

it("docs/doctor.md names each word of --fix beside the findings that it mends, and the board knows no other", async () => {
  const mendSh = await readFile(join(rtkitRoot, "src/device/mend.sh"), "utf8");
  const known = /^ {8}([a-z_ |]+)\) ;;$/m.exec(mendSh)?.[1]?.split(" | ");
  const settings = [...new Set(RULES.flatMap(({ mends }) => mends ?? []))];
  expect(known?.toSorted()).toEqual(settings.toSorted());
  for (const setting of settings) {
    const ids = RULES.filter(({ mends }) => mends === setting).map(({ id }) => `\`${id}\``);
    const row = page.split("\n").find((line) => line.startsWith(`| \`${setting}\` |`));
    for (const id of ids) expect(row).toContain(id);
  }
});
