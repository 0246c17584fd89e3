import type * as z from "zod";
import { usageError } from "../core/errors.ts";
import type { RtkitError } from "../core/errors.ts";
import type { Path, SourceDocument } from "./document.ts";
import { toJsonSchema } from "./json-schema.ts";
import type { JsonSchema } from "./json-schema.ts";
import { suggestion } from "./suggest.ts";
import { quote } from "./values.ts";

/** What zod calls a value of the wrong kind, in YAML's words. */
const KINDS: Readonly<Record<string, string>> = {
  object: "a mapping",
  record: "a mapping",
  array: "a list",
  string: "text",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
};

/** How each kind is written, with an example that fits everywhere. */
const HOW_TO_WRITE: Readonly<Record<string, string>> = {
  "a mapping": "write keys and their values below it, or { key: value }",
  "a list": "write it in brackets, for example [3] or [one, two]",
  text: 'write text; a number or true is text in quotes, for example "1"',
  "a number": "write digits, without quotes",
  "a whole number": "write digits only, without quotes",
  "true or false": "write true or false, without quotes",
};

/** Codes: RTK_CONFIG_UNKNOWN_KEY, RTK_CONFIG_MISSING_KEY, RTK_CONFIG_TYPE, RTK_CONFIG_VALUE. One error per mistake. */
export function issueErrors(
  issues: readonly z.core.$ZodIssue[],
  schema: z.ZodType,
  document: SourceDocument,
): readonly RtkitError[] {
  const jsonSchema = toJsonSchema(schema);
  return issues.flatMap((issue) => {
    const path = issue.path.map((step) => (typeof step === "symbol" ? String(step) : step));
    if (issue.code === "unrecognized_keys") {
      return issue.keys.map((key) => unknownKey(key, path, jsonSchema, document));
    }
    return [issueError(issue, path, document)];
  });
}

/** `nodes.imu.schedule.cpus[0]: ` or nothing for the root: how messages name a value. */
export function pathPrefix(path: Path): string {
  return path.length === 0 ? "" : `${pathName(path)}: `;
}

function pathName(path: Path): string {
  return path
    .map((step, index) => (typeof step === "number" ? `[${step}]` : `${index === 0 ? "" : "."}${step}`))
    .join("");
}

function unknownKey(key: string, path: Path, schema: JsonSchema, document: SourceDocument): RtkitError {
  // A key that stands there already cannot be the one that was meant.
  const allowed = allowedKeys(schema, path, document.data);
  const free = allowed.filter((name) => valueAt(document.data, [...path, name]) === undefined);
  return usageError("RTK_CONFIG_UNKNOWN_KEY", `${pathPrefix(path)}unknown key ${quote(key)}`, {
    hint: suggestion(key, free, "keys", allowed),
    where: document.place([...path, key], "key"),
  });
}

function issueError(issue: z.core.$ZodIssue, path: Path, document: SourceDocument): RtkitError {
  const value = valueAt(document.data, path);
  const parent = path.slice(0, -1);
  if (value === undefined && path.length > 0) {
    const key = String(path.at(-1));
    return usageError("RTK_CONFIG_MISSING_KEY", `${pathPrefix(parent)}the key "${key}" is missing`, {
      hint: parent.length === 0 ? `add a line "${key}: …"` : `add "${key}: …" below ${pathName(parent)}`,
      where: document.place(parent, "key"),
    });
  }
  const where = document.place(path);
  const [what = "", hint] = issue.message.split("\n");
  if (hint !== undefined) {
    return usageError("RTK_CONFIG_VALUE", `${pathPrefix(path)}${what}`, { hint, where });
  }
  if (issue.code === "invalid_value" || issue.code === "invalid_union") {
    const values = allowedValues(issue);
    if (typeof value === "string" && values.length > 0) {
      const message = `${pathPrefix(path)}${quote(value)} is not known here`;
      return usageError("RTK_CONFIG_VALUE", message, { hint: suggestion(value, values, "values"), where });
    }
    const hintText = `allowed values: ${values.join(", ")}`;
    return usageError("RTK_CONFIG_TYPE", `${pathPrefix(path)}expected text, not ${kindOf(value)}`, {
      hint: hintText,
      where,
    });
  }
  if (typeof value === "number" && (issue.code === "too_big" || issue.code === "too_small")) {
    // Only the limits that zod itself has for whole numbers: the schema's own come with words of their own.
    const message = `${pathPrefix(path)}${quote(value)} is out of every range`;
    return usageError("RTK_CONFIG_VALUE", message, { hint: "write a number of at most 15 digits", where });
  }
  if (path.length === 0) {
    return usageError("RTK_CONFIG_TYPE", value === null ? "the file is empty" : wrongKind(issue, value).what, {
      hint: "start with the keys that docs/configuration.md lists",
      where,
    });
  }
  const { what: text, hint: typeHint } = wrongKind(issue, value);
  return usageError("RTK_CONFIG_TYPE", `${pathPrefix(path)}${text}`, { hint: typeHint, where });
}

/** What to say of a value of the wrong kind: zod's issue in YAML's words. */
export function wrongKind(issue: z.core.$ZodIssue, value: unknown): { readonly what: string; readonly hint: string } {
  const expected = issue.code === "invalid_type" ? (KINDS[issue.expected] ?? issue.expected) : "another value";
  return {
    what: `expected ${expected}, not ${kindOf(value)}`,
    hint: value === null ? "give it a value, or remove the key" : (HOW_TO_WRITE[expected] ?? `write ${expected} here`),
  };
}

/** The words an enumeration or the tag of a union allows. */
function allowedValues(issue: z.core.$ZodIssueInvalidValue | z.core.$ZodIssueInvalidUnion): readonly string[] {
  if (issue.code === "invalid_value") return issue.values.map(String);
  return "options" in issue && Array.isArray(issue.options) ? issue.options.map(String) : [];
}

function kindOf(value: unknown): string {
  if (value === null || value === undefined) return "nothing";
  if (Array.isArray(value)) return "a list";
  if (typeof value === "object") return "a mapping";
  if (typeof value === "string") return "text";
  if (typeof value === "number") return Number.isInteger(value) ? "a number" : `${value}`;
  return String(value);
}

/** The value at a path, or undefined when there is none. */
export function valueAt(data: unknown, path: Path): unknown {
  let value = data;
  for (const step of path) {
    if (typeof value !== "object" || value === null || !Object.hasOwn(value, step)) return undefined;
    value = Reflect.get(value, step);
  }
  return value;
}

/** The keys a schema knows at a path; of a union, those of the member that the data has chosen. */
function allowedKeys(schema: JsonSchema, path: Path, data: unknown): readonly string[] {
  let at: JsonSchema | undefined = schema;
  for (const [depth, step] of path.entries()) {
    if (at === undefined) return [];
    const below: JsonSchema = chosen(at, valueAt(data, path.slice(0, depth)));
    const values = typeof below.additionalProperties === "object" ? below.additionalProperties : undefined;
    at = typeof step === "number" ? below.items : (below.properties?.[step] ?? values);
  }
  return at === undefined ? [] : Object.keys(chosen(at, valueAt(data, path)).properties ?? {});
}

function chosen(schema: JsonSchema, data: unknown): JsonSchema {
  const matches = (member: JsonSchema): boolean =>
    Object.entries(member.properties ?? {}).every(
      ([key, { const: tag }]) => tag === undefined || tag === valueAt(data, [key]),
    );
  return schema.oneOf?.find(matches) ?? schema;
}
