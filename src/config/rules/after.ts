import type { NodeInput } from "../project-schema.ts";
import type { Report } from "../report.ts";
import { suggestion } from "../suggest.ts";
import { quote } from "../values.ts";

/** What each node comes after, by its name. */
type Order = Readonly<Record<string, Pick<NodeInput, "after">>>;

/**
 * RTK_CONFIG_AFTER: a node that comes after one that there is not, or after itself, at once or through others. `known` are
 * the names of all nodes, also of those that are mistaken in other ways.
 */
export function after(nodes: Order, known: readonly string[], report: Report): void {
  const told = new Set<string>();
  for (const [name, { after: others = [] }] of Object.entries(nodes)) {
    for (const [index, other] of others.entries()) {
      const path = ["nodes", name, "after", index];
      if (other === name) {
        report.error("RTK_CONFIG_AFTER", path, "a node cannot come after itself", "remove it");
      } else if (!known.includes(other)) {
        const hint = suggestion(
          other,
          known.filter((one) => one !== name),
          "nodes",
        );
        report.error("RTK_CONFIG_AFTER", path, `there is no node ${quote(other)}`, hint);
      }
    }
    const cycle = told.has(name) ? undefined : cycleFrom(name, nodes);
    if (cycle === undefined) continue;
    for (const one of cycle) told.add(one);
    const index = others.indexOf(cycle[1] ?? "");
    const what = `nodes wait for each other: ${[...cycle, name].join(" after ")}`;
    report.error("RTK_CONFIG_AFTER", ["nodes", name, "after", index], what, "take one of them out of another's after");
  }
}

/** A shortest way from a node through what it comes after back to it, of two nodes or more. */
function cycleFrom(name: string, nodes: Order): readonly string[] | undefined {
  const seen = new Set<string>();
  const ways: (readonly string[])[] = [[name]];
  for (let way = ways.shift(); way !== undefined; way = ways.shift()) {
    const last = way.at(-1) ?? "";
    for (const next of nodes[last]?.after ?? []) {
      if (next === last) continue;
      if (next === name) return way;
      if (seen.has(next)) continue;
      seen.add(next);
      ways.push([...way, next]);
    }
  }
  return undefined;
}
