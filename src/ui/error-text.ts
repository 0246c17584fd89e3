import { shownPath } from "../core/paths.ts";
import { RtkitError, RtkitErrors, type Place } from "../core/errors.ts";

/** The mistakes an error stands for: several, one, or none when it is a bug of ours. */
export function userErrors(error: unknown): readonly RtkitError[] {
  if (error instanceof RtkitErrors) return error.errors;
  return error instanceof RtkitError ? [error] : [];
}

/** `file:line:column` as editors and terminals recognise it, or an empty string without a place. */
export function formatPlace(where: Place | undefined): string {
  if (where === undefined) return "";
  const { file, line, column } = where;
  return [shownPath(file, process.cwd()), line, column].filter((part) => part !== undefined).join(":");
}

/** One mistake for people: place, what, and on a second line how to mend it. */
export function formatError(error: RtkitError): string {
  const place = formatPlace(error.where);
  const first = `${place === "" ? "" : `${place}: `}${error.message} [${error.code}]`;
  return error.hint === undefined ? first : `${first}\n  → ${error.hint}`;
}
