import type * as z from "zod";
import type { Path } from "./document.ts";
import { valueAt } from "./issues.ts";

/**
 * A copy of a project's data without the parts that `issues` are about, so that rules can look at the rest and a user
 * hears of everything at once. What is cut is large enough that no rule misses what was cut: priority is not reported as
 * missing because it was mistyped.
 */
export function salvage(data: unknown, issues: readonly z.core.$ZodIssue[]): unknown {
  const copy: unknown = structuredClone(data);
  for (const issue of issues) {
    const path = issue.path.map(String);
    const paths = issue.code === "unrecognized_keys" ? issue.keys.map((key) => [...path, key]) : [path];
    for (const cut of paths.flatMap(parts)) remove(copy, cut);
  }
  return copy;
}

/** The parts that cannot be judged when the value at `path` is wrong. */
function parts(path: readonly string[]): readonly Path[] {
  const [section = "", name, key, ...rest] = path;
  if (section === "nodes" && (key === undefined || key === "entry")) {
    // Whether anything runs on image.node is judged by all entries.
    return [path.slice(0, 2), ["image", "node"]];
  }
  if (name === undefined) return [[section]];
  if (section === "nodes" && key !== undefined) {
    // The limit on real-time CPU time is judged by the schedule. An unknown key may have been meant for `schedule`.
    const limitsToo: Path[] = [["nodes", name, "limits"]];
    return rest.length === 0 || key === "schedule" ? [["nodes", name, key], ...limitsToo] : [["nodes", name, key]];
  }
  return [[section, name]];
}

function remove(data: unknown, path: Path): void {
  const parent = valueAt(data, path.slice(0, -1));
  const key = path.at(-1);
  if (typeof parent === "object" && parent !== null && key !== undefined) Reflect.deleteProperty(parent, key);
}
