import { readFile } from "node:fs/promises";
import type * as z from "zod";
import { errnoCode, usageError } from "../core/errors.ts";
import type { RtkitError } from "../core/errors.ts";
import { parseYaml } from "./document.ts";
import type { SourceDocument } from "./document.ts";
import { issueErrors } from "./issues.ts";

/** Reads and parses a YAML file; `undefined` with the errors when it cannot be (also RTK_CONFIG_READ). */
export async function readDocument(
  file: string,
  shown: string,
  errors: RtkitError[],
): Promise<SourceDocument | undefined> {
  let bytes: Buffer;
  try {
    bytes = await readFile(file);
  } catch (error) {
    const code = errnoCode(error);
    if (code === undefined) throw error;
    const hints = new Map([
      ["EISDIR", "it is a folder; name a file"],
      ["ELOOP", "it is a loop of symbolic links"],
    ]);
    errors.push(
      usageError("RTK_CONFIG_READ", `cannot read the file (${code})`, {
        hint: hints.get(code) ?? "check its permissions",
        where: { file: shown },
        cause: error,
      }),
    );
    return undefined;
  }
  const parsed = parseYaml(bytes, shown);
  if (parsed.document === undefined) errors.push(...parsed.errors);
  return parsed.document;
}

/** What a document says in a schema's terms, or `undefined` with its mistakes of shape. */
export function checkShape<T extends z.ZodType>(
  document: SourceDocument,
  schema: T,
  errors: RtkitError[],
): { readonly input: z.output<T> | undefined; readonly issues: readonly z.core.$ZodIssue[] } {
  const result = schema.safeParse(document.data);
  if (result.success) return { input: result.data, issues: [] };
  errors.push(...issueErrors(result.error.issues, schema, document));
  return { input: undefined, issues: result.error.issues };
}
