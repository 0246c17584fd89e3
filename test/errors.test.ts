import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { rtkitRoot } from "../src/core/paths.ts";

async function codesBelow(folder: string, endings: readonly string[]): Promise<Set<string>> {
  const codes = new Set<string>();
  const entries = await readdir(join(rtkitRoot, folder), { recursive: true, withFileTypes: true });
  for (const entry of entries) {
    if (!entry.isFile() || !endings.some((ending) => entry.name.endsWith(ending))) continue;
    const text = await readFile(join(entry.parentPath, entry.name), "utf8");
    for (const [code] of text.matchAll(/\bRTK_[A-Z0-9_]+\b/g)) codes.add(code);
  }
  return codes;
}

it("every error code of the source is documented and tested, and no other is documented", async () => {
  const inSource = await codesBelow("src", [".ts", ".py"]);
  const inTests = await codesBelow("test", [".ts", ".expected", ".json"]);
  const docs = await readFile(join(rtkitRoot, "docs", "errors.md"), "utf8");
  const rows = [...docs.matchAll(/^\| `(RTK_[A-Z0-9_]+)`/gm)].map((match) => match[1] ?? "");
  const inDocs = new Set(rows);
  expect(rows.filter((code, index) => rows.indexOf(code) !== index)).toEqual([]);
  expect([...inSource].filter((code) => !inDocs.has(code))).toEqual([]);
  expect([...inDocs].filter((code) => !inSource.has(code))).toEqual([]);
  expect([...inSource].filter((code) => !inTests.has(code))).toEqual([]);
});
