import { parseCpuList } from "../core/cpu-list.ts";
import { formatCpuList } from "../core/units.ts";
import type { ReleaseNode } from "./release.ts";
import type { BoardStatus, NodeStatus } from "./rtnodectl.ts";

/** What is to be thought of a board that activated a release. */
export type Verdict =
  | { readonly state: "healthy" }
  /** Not yet as it should be, but it may still become so; without a node: all are, and not for long enough. */
  | { readonly state: "waiting"; readonly node: string | null; readonly why: string }
  | { readonly state: "failed"; readonly node: string | null; readonly why: string };

/** How long every node must be as it should be without a change, ms: a node that dies at once was up for a moment. */
export const SETTLE_MS = 1000;

/**
 * Judges one status of a board after the other, each with its time in ms. Healthy: every node is active, its main thread has
 * the policy, priority and CPUs that the release asks for, and nothing of it changed for {@link SETTLE_MS}. A node that
 * has failed for good, or was started again by systemd since the release became active, is not going to be.
 */
export function watchHealth(
  release: string,
  nodes: readonly ReleaseNode[],
): (status: BoardStatus, now: number) => Verdict {
  /** The fewest automatic restarts seen of each node: systemd counts from 0 when a node is restarted on purpose. */
  const fewest = new Map<string, number>();
  let steady: { readonly processes: string; readonly since: number } | undefined;
  return (status, now) => {
    if (status.release !== release) {
      return { state: "failed", node: null, why: "the board went back to its previous release by itself" };
    }
    const verdicts = nodes.map((wanted) => {
      const node = status.nodes.find(({ name }) => name === wanted.name);
      if (node === undefined) return waiting(wanted, "not known to the board");
      const least = Math.min(fewest.get(node.name) ?? node.restarts, node.restarts);
      fewest.set(node.name, least);
      return judgeNode(wanted, node, least);
    });
    const bad = verdicts.find(({ state }) => state === "failed") ?? verdicts.find(({ state }) => state !== "healthy");
    if (bad !== undefined) {
      steady = undefined;
      return bad;
    }
    const processes = status.nodes.map(({ name, pid }) => `${name} ${pid}`).join("\n");
    if (steady?.processes !== processes) steady = { processes, since: now };
    return now - steady.since >= SETTLE_MS
      ? { state: "healthy" }
      : { state: "waiting", node: null, why: "every node is active; watching for a moment" };
  };
}

function judgeNode(wanted: ReleaseNode, node: NodeStatus, fewestRestarts: number): Verdict {
  const reason = node.reason === null || node.reason === "" ? "" : `: ${node.reason}`;
  if (node.state === "failed") return { state: "failed", node: node.name, why: `${node.name} failed${reason}` };
  if (node.restarts > fewestRestarts) {
    return { state: "failed", node: node.name, why: `${node.name} ended and was started again${reason}` };
  }
  if (node.state !== "active") return waiting(wanted, `${node.state}${reason}`);
  const { policy, priority, cpus } = wanted.schedule;
  if (node.policy !== policy) return waiting(wanted, differs("policy", node.policy, policy));
  if (priority !== undefined && node.priority !== priority) {
    return waiting(wanted, differs("priority", node.priority, priority));
  }
  const list = formatCpuList(cpus);
  // Without CPUs of its own it has those that are left over.
  if (list !== "" && node.cpus !== list) return waiting(wanted, differs("cpus", node.cpus, list));
  return { state: "healthy" };
}

/**
 * CPUs that real-time nodes ask for and the board does not isolate, in words: the kernel's command line is part of the image,
 * which a deploy does not change. Undefined when there are none, or the board does not say.
 */
export function notIsolated(nodes: readonly ReleaseNode[], isolated: string | null | undefined): string | undefined {
  if (isolated === null || isolated === undefined) return undefined;
  const has = new Set(parseCpuList(isolated));
  const missing = nodes.flatMap(({ name, schedule: { policy, cpus } }) => {
    const others = policy === "fifo" || policy === "rr" ? cpus.filter((cpu) => !has.has(cpu)) : [];
    return others.length === 0 ? [] : [`${formatCpuList(others)} (${name})`];
  });
  if (missing.length === 0) return undefined;
  return `CPUs that real-time nodes ask for are not isolated there: ${missing.join(", ")}; build and flash the image, or add isolcpus= to its kernel's command line`;
}

function waiting({ name }: ReleaseNode, what: string): Verdict {
  return { state: "waiting", node: name, why: `${name} is ${what}` };
}

function differs(what: string, got: string | number | null, asked: string | number): string {
  return `active with ${what} ${got ?? "unknown"}, and ${asked} is asked for`;
}
