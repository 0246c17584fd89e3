import { valueAt } from "../issues.ts";
import { ENVIRONMENT_NAME } from "../project-schema.ts";
import type { Report } from "../report.ts";
import { isFileName, NAME_HINT, quote } from "../values.ts";

/** Names that the board's own programs, units and files have; two of a name could not be told apart in the journal. */
const RESERVED_NODES: ReadonlySet<string> = new Set(["rtnode", "rtnodectl", "rt-launch", "current", "previous", "all"]);

/** RFC 6761 6.3: the name of the machine itself, wherever it is asked for. */
const RESERVED_HOSTS: ReadonlySet<string> = new Set(["localhost"]);

/** RTK_CONFIG_NAME, for the names that are keys: of nodes, targets and environment variables. Takes the raw data. */
export function names(data: unknown, report: Report): void {
  for (const section of ["nodes", "targets"]) {
    for (const name of keysAt(data, [section])) {
      const path = [section, name];
      if (!isFileName(name)) {
        report.error("RTK_CONFIG_NAME", [section], `${quote(name)} is not a usable name`, NAME_HINT, "key", path);
      } else if (section === "nodes" && RESERVED_NODES.has(name)) {
        const what = `"${name}" is a name of the board's own`;
        report.error("RTK_CONFIG_NAME", [section], what, "call the node something else", "key", path);
      }
    }
  }
  for (const node of keysAt(data, ["nodes"])) {
    const path = ["nodes", node, "env"];
    for (const name of keysAt(data, path)) environmentName(path, name, report);
  }
}

function environmentName(path: readonly string[], name: string, report: Report): void {
  const at = [...path, name];
  if (!ENVIRONMENT_NAME.test(name)) {
    const hint = "use letters, digits and _, a letter or _ first";
    report.error("RTK_CONFIG_NAME", path, `${quote(name)} is not a name of an environment variable`, hint, "key", at);
  } else if (/^(LD_|RTNODE_)/.test(name)) {
    const hint = "remove it: the launcher uses LD_PRELOAD and RTNODE_… itself, to lock memory and to count";
    report.error("RTK_CONFIG_NAME", path, `${name} belongs to the loader and the launcher`, hint, "key", at);
  }
}

/** RTK_CONFIG_NAME, for host names. */
export function hostname(name: string | undefined, path: readonly string[], report: Report): void {
  if (name === undefined || !RESERVED_HOSTS.has(name)) return;
  report.error("RTK_CONFIG_NAME", path, `"${name}" means every machine itself`, "choose the board's own name");
}

/** The keys of the mapping at a path; none when there is no mapping. */
export function keysAt(data: unknown, path: readonly string[]): readonly string[] {
  const value = valueAt(data, path);
  return typeof value === "object" && value !== null && !Array.isArray(value) ? Object.keys(value) : [];
}
