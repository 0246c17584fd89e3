import { closest } from "../config/suggest.ts";
import { usageError, type RtkitError } from "../core/errors.ts";
import { debianPackage, removedIn } from "./python-modules.ts";
import type { ImageImport, ScannedNode } from "./scanned-node.ts";

/**
 * The Python imports that the image cannot satisfy (RTK_BUNDLE_MODULE), each with its place. `available` are the names of
 * all top-level modules that the image's Python can import.
 */
export function checkImports(scanned: readonly ScannedNode[], available: ReadonlySet<string>): RtkitError[] {
  const seen = new Set<string>();
  const errors: RtkitError[] = [];
  for (const item of scanned.flatMap(({ imports }) => imports)) {
    const { file, line, column } = item.where;
    const key = `${item.module} ${file}:${line}:${column}`;
    if (available.has(item.module) || seen.has(key)) continue;
    if (item.insteadOf.some((group) => group.every((module) => available.has(module)))) continue;
    // Two nodes that share a module share its mistakes.
    seen.add(key);
    const by = item.neededBy === null ? "" : ` (imported by the vendored ${item.neededBy})`;
    const tried = new Set(item.insteadOf.flat().filter((module) => module !== item.module && !available.has(module)));
    const instead = tried.size === 0 ? "" : `, nor ${[...tried].join(", ")}, which it stands in for`;
    const message = `there is no Python module ${item.module} in the project or in the image${instead}${by}`;
    errors.push(usageError("RTK_BUNDLE_MODULE", message, { where: item.where, hint: hint(item, available) }));
  }
  return errors;
}

function hint({ module, required }: ImageImport, available: ReadonlySet<string>): string {
  const removed = removedIn(module);
  if (removed !== undefined)
    return `Python ${removed} removed it from the standard library: use its successor, or vendor a copy`;
  const install = required ? "pip install --target vendor -r requirements.txt" : undefined;
  const debian = `add ${debianPackage(module)} to image.packages`;
  if (install !== undefined) return `run ${install}, or ${debian}`;
  const meant = closest(
    module,
    [...available].filter((name) => !name.startsWith("_")),
  );
  return `${meant === undefined ? "" : `did you mean ${meant}? Else `}${debian}, or vendor it`;
}
