import * as z from "zod";
import { parseDuration, parseSize } from "../core/units.ts";

/** A schema's own words for a mistake: what is wrong, and how to mend it. issues.ts takes the two apart. */
export function say(what: string, hint: string): string {
  return `${what}\n${hint}`;
}

/** A value of the user's as it may stand in a message: quoted, on one line, cut when it is long. */
export function quote(value: unknown): string {
  // JSON has no .inf and .nan, YAML has.
  const text = typeof value === "number" ? String(value) : (JSON.stringify(value) ?? String(value));
  return text.length > 60 ? `${text.slice(0, 56)}…"` : text;
}

/** A host label by RFC 1123 (lower case, as it ends up in file names): letters, digits and inner hyphens, at most 63. */
export function hostLabel(example: string): z.ZodString {
  return z.string().regex(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/, {
    error: (issue) =>
      say(
        `${quote(issue.input)} is not a host name`,
        `use 1 to 63 lower-case letters, digits and inner hyphens, for example ${example}`,
      ),
  });
}

/** A name that becomes a file name and a systemd instance. */
const NAME = /^[a-z0-9][a-z0-9-]{0,62}$/;

/** A name that becomes a file name: lower-case letters, digits and hyphens, at most 63. */
export const fileName = z.string().regex(NAME, {
  error: (issue) => say(`${quote(issue.input)} is not a usable name`, NAME_HINT),
});

/** How a {@link fileName} has to look. */
export const NAME_HINT = "use 1 to 63 lower-case letters, digits and hyphens, a letter or digit first";

/** Whether a name is a {@link fileName}. */
export function isFileName(text: string): boolean {
  return NAME.test(text);
}

/**
 * A mapping from names to `value`. The names' pattern is in the JSON Schema only; rules/names.ts checks it here, since
 * zod would skip everything under a name that is wrong.
 */
export function named<T extends z.ZodType>(value: T, pattern: RegExp = NAME): z.ZodRecord<z.ZodString, T> {
  return z.record(z.string(), value).meta({ propertyNames: { type: "string", pattern: pattern.source } });
}

/** A Debian package name, see Debian Policy 5.6.1. */
export const packageName = z
  .string()
  .regex(/^[a-z0-9][a-z0-9+.-]+$/, {
    error: (issue) =>
      say(
        `${quote(issue.input)} is not a name of a Debian package`,
        "use the bare name, without version or architecture, for example python3-numpy",
      ),
  })
  .meta({ examples: ["python3-numpy"] });

/** Text that ends up in a line of a file: not empty is not asked for, line breaks and NUL are refused. */
export const lineOfText = z
  .string({ error: () => say("expected text", 'put it in quotes, for example "1"') })
  // oxlint-disable-next-line no-control-regex -- NUL ends every string that execve(2) takes
  .regex(/^[^\n\r\0]*$/, {
    error: () => say("holds a line break or a NUL character", "one line each; pass longer things in a file"),
  });

/** A path as it stands in a file. */
export const pathText = z
  .string()
  // oxlint-disable-next-line no-control-regex -- NUL ends every path that open(2) takes
  .regex(/^[^\n\r\0]+$/, { error: () => say("is not a path", "write a file's path on one line") });

/** Bytes: `512K`, `16M`, `1G` (powers of 1024), or a bare number of bytes. */
export const size = z
  .union(
    [
      z.string().regex(/^\d+(\.\d+)?\s*[KMGTkmgt]?(iB|B)?$/, { error: sizeMessage }),
      z.int().min(0, { error: sizeMessage }),
    ],
    {
      error: sizeMessage,
    },
  )
  .transform((value, context) => {
    const bytes = parseSize(String(value));
    if (bytes !== undefined) return bytes;
    context.addIssue({ code: "custom", message: sizeMessage({ input: value }) });
    return z.NEVER;
  });

/** Nanoseconds, written with their unit: `5ms`, `250us`, `1.5s`. */
export const duration = z
  .string({ error: durationMessage })
  .regex(/^\d+(\.\d+)?\s*(ns|us|µs|ms|s|min)$/, { error: durationMessage })
  .transform((value, context) => {
    const nanoseconds = parseDuration(value);
    if (nanoseconds !== undefined && nanoseconds > 0) return nanoseconds;
    context.addIssue({ code: "custom", message: durationMessage({ input: value }) });
    return z.NEVER;
  });

function sizeMessage(issue: { readonly input?: unknown }): string {
  return say(`${quote(issue.input)} is not a size`, "write whole bytes with a unit, for example 512K, 16M or 1G");
}

function durationMessage(issue: { readonly input?: unknown }): string {
  const input = issue.input;
  if (typeof input === "number" && input > 0) {
    return say(`${input} has no unit`, `write for example ${input}ms or ${input}us`);
  }
  return say(`${quote(input)} is not a duration`, "write a time above 0 with a unit, for example 250us, 5ms or 1.5s");
}
