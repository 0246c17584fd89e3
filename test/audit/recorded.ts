import { readFileSync } from "node:fs";
import { join } from "node:path";
import { audit } from "../../src/audit/audit.ts";
import { parseAudit, type AuditFacts } from "../../src/audit/facts.ts";
import type { BoardFinding } from "../../src/audit/finding.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { loadFragments } from "../../src/kernel/load.ts";

/** What a booted image said of itself, see test/fixtures/audit/README.md. */
export const OURS: string = readFileSync(join(rtkitRoot, "test/fixtures/audit/qemu-x86_64.txt"), "utf8");

/** A change to what a system said. */
export type Change = (text: string) => string;

/** A section gets more lines. */
export function more(section: string, ...lines: readonly string[]): Change {
  return (text) => {
    const head = `[${section}]\n`;
    if (!text.includes(head)) throw new Error(`there is no section ${section}`);
    return text.replace(head, () => `${head}${lines.map((line) => ` ${line}\n`).join("")}`);
  };
}

/** A file has this one line, whether it was there or not. */
export function file(path: string, value: string, section = "files"): Change {
  return (text) => more(section, `${path}:${value}`)(noFile(path)(text));
}

/** A file is not there. */
export function noFile(path: string): Change {
  return (text) =>
    text
      .split("\n")
      .filter((line) => !line.startsWith(` ${path}:`) && line !== ` ${path}`)
      .join("\n");
}

/** One text in place of another, which must be there. */
export function instead(before: string | RegExp, after: string): Change {
  return (text) => {
    const changed = text.replace(before, () => after);
    if (changed === text) throw new Error(`${String(before)} is not there`);
    return changed;
  };
}

export function all(...changes: readonly Change[]): Change {
  return (text) => changes.reduce((changed, change) => change(changed), text);
}

export function factsOf(text: string): AuditFacts {
  const facts = parseAudit(text);
  if (facts === undefined) throw new Error("the probe did not run");
  return facts;
}

const { options: wanted } = await loadFragments(["preempt-rt"]);

export function findingsOf(text: string): readonly BoardFinding[] {
  return audit(factsOf(text), wanted);
}

/** `proc_pid_stat(5)` and what belongs to it, of a program's thread. */
export function task(options: {
  readonly pid: number;
  readonly name: string;
  readonly policy: number;
  readonly priority: number;
  readonly cpus: string;
  readonly group?: string;
}): Change {
  const { pid, name, policy, priority, cpus, group = "/user.slice/user-1000.slice/session-1.scope" } = options;
  const fields = [1, pid, pid, 0, -1, 4_194_304, ...Array.from({ length: 28 }, () => 0), 17, 0];
  const stat = `${pid} (${name}) S ${[...fields, priority, policy, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0].join(" ")}`;
  return all(
    more("stat", ...stat.split("\n")),
    more("cpus", `/proc/${pid}/task/${pid}/status:Cpus_allowed_list:\t${cpus}`),
    more("cgroups", `/proc/${pid}/cgroup:0::${group}`),
  );
}

/** Another system: without the launcher and nodes. */
export const notOurs: Change = (text) =>
  text.replaceAll(/^\[(?:node-units|nodes|writes|writes-later)\]\n(?: .*\n)*/gm, "");

/** As a distribution's own kernel, and a user without rights, would have it. */
export const stock: Change = all(
  notOurs,
  noFile("/sys/kernel/realtime"),
  instead("PREEMPT_RT", "PREEMPT_DYNAMIC"),
  instead(" uid 0", " uid 1000"),
  instead(/^ latency .*$/m, " latency "),
  (text) => text.replaceAll(/^ \/sys\/kernel\/debug.*\n/gm, ""),
);
