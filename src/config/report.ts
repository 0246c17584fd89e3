import { usageError } from "../core/errors.ts";
import type { Place, RtkitError } from "../core/errors.ts";
import type { Path, Side, SourceDocument } from "./document.ts";
import { pathPrefix } from "./issues.ts";

/** Something that is allowed and probably not meant; the command goes on. */
export interface Warning {
  readonly code: string;
  readonly message: string;
  readonly hint: string;
  readonly where: Place;
}

/** What rules tell, by the path of what is wrong. The place is the value's or its key's, or that of another path. */
type Tell = (code: string, path: Path, what: string, hint: string, side?: Side, at?: Path) => void;

/** Where rules tell what they found. */
export interface Report {
  readonly error: Tell;
  readonly warning: Tell;
}

/** A {@link Report} on one file, with what was told so far. */
export interface Findings extends Report {
  readonly errors: RtkitError[];
  readonly warnings: Warning[];
}

/** An empty report on a document. */
export function findings(document: SourceDocument): Findings {
  const errors: RtkitError[] = [];
  const warnings: Warning[] = [];
  return {
    errors,
    warnings,
    error: (code, path, what, hint, side, at = path) => {
      const where = document.place(at, side);
      errors.push(usageError(code, `${pathPrefix(path)}${what}`, { hint, where }));
    },
    warning: (code, path, what, hint, side, at = path) => {
      warnings.push({ code, message: `${pathPrefix(path)}${what}`, hint, where: document.place(at, side) });
    },
  };
}

/** Sorts by file, line and column; what has no place comes first. */
export function byPlace(a: { readonly where?: Place | undefined }, b: { readonly where?: Place | undefined }): number {
  const [fileA, fileB] = [a.where?.file ?? "", b.where?.file ?? ""];
  if (fileA !== fileB) return fileA < fileB ? -1 : 1;
  return (a.where?.line ?? 0) - (b.where?.line ?? 0) || (a.where?.column ?? 0) - (b.where?.column ?? 0);
}
