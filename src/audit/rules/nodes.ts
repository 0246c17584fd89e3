import { parseCpuList } from "../../core/cpu-list.ts";
import type { AuditFacts, Limit, NodeFacts } from "../facts.ts";
import type { Severity } from "../finding.ts";
import { few, ok, realtimeNodes, unseen, type Rule, type Verdict } from "../rule.ts";

/** The nodes themselves, and what services may. */
export const NODE_RULES: readonly Rule[] = [
  {
    id: "node-running",
    area: "nodes",
    severities: ["high", "info"],
    why: "a node that does not run meets no deadline",
    source: "systemctl(1), ActiveState",
    remedy: "look why: rtkit logs TARGET NODE",
    judge: ({ nodes }) => {
      const stopped = (nodes ?? []).filter(({ pid }) => pid === 0);
      // One that ended well, or was stopped, may be meant to.
      const isMeant = stopped.every(({ state }) => state === "inactive");
      return eachNode(nodes, isMeant ? "info" : "high", ({ name, state, pid }) =>
        pid === 0 ? `rtnode@${name}.service is ${state}` : undefined,
      );
    },
  },
  {
    id: "node-scheduling",
    area: "nodes",
    severities: ["high", "info"],
    why: "the kernel treats the node as what it is now, not as what it asked for",
    source: "sched(7)",
    remedy: "look who changed it, and start the node again: rtkit deploy",
    judge: (facts) =>
      eachShown(running(facts), "high", ({ name, asks, shown }) => {
        const cpus = parseCpuList(shown.cpus ?? "");
        const isElsewhere = asks.cpus.length > 0 && cpus.some((cpu) => !asks.cpus.includes(cpu));
        if (shown.policy === asks.policy && shown.priority === asks.priority && !isElsewhere) return undefined;
        const has = `${shown.policy} ${shown.priority} on CPUs ${shown.cpus ?? "?"}`;
        return `${name} (process ${shown.pid}) has ${has}, and asks for ${asks.policy} ${asks.priority}`;
      }),
  },
  {
    id: "node-memory",
    area: "nodes",
    severities: ["high", "info"],
    why: "memory that is not locked may be taken away, and is faulted in again in the loop",
    source: "mlockall(2)",
    remedy: "start it again with the launcher: rtkit deploy",
    judge: (facts) =>
      eachShown(running(facts), "high", ({ name, asks, shown }) =>
        asks.locksMemory && (shown.lockedKiB ?? 0) === 0
          ? `/proc/${shown.pid}/status of ${name}: VmLck: 0 kB`
          : undefined,
      ),
  },
  {
    id: "service-limits",
    area: "nodes",
    severities: ["high", "info"],
    why: "PAM's limits.d does not reach services: without limits of its own unit a node gets EPERM where the same program over ssh gets FIFO",
    source: "systemd.exec(5), LimitRTPRIO=; limits.conf(5)",
    remedy: "LimitRTPRIO=98 and LimitMEMLOCK=infinity in the unit; look who overrides them: systemctl cat rtnode@NAME",
    judge: judgeLimits,
  },
  {
    id: "login-limits",
    area: "nodes",
    severities: ["info"],
    why: "a node that is tried out by hand over ssh gets its rights from there",
    source: "limits.conf(5)",
    remedy:
      "rtkit deploy --bootstrap, or @realtime - rtprio 98 and @realtime - memlock unlimited in /etc/security/limits.d/",
    judge: ({ files }) => {
      const line = [...files].find(
        ([path, lines]) => path.startsWith("/etc/security/") && lines.some((one) => one.includes("rtprio")),
      );
      if (line !== undefined) return ok(`${line[0]}: ${line[1].find((one) => one.includes("rtprio")) ?? ""}`);
      return { severity: "info", evidence: "no file in /etc/security/limits.d has rtprio" };
    },
  },
  {
    id: "node-faults",
    area: "nodes",
    severities: ["medium", "info"],
    why: "each page fault in the loop costs microseconds, or a read from the disk",
    source: "getrusage(2); mlockall(2)",
    remedy: "allocate all of it in init, and set memory.lock, stack and heap of the node",
    judge: (facts) =>
      eachShown(running(facts), "medium", ({ name, shown }) => {
        const { minorFaults = 0, majorFaults = 0 } = shown.stats ?? {};
        if (minorFaults + majorFaults === 0) return undefined;
        return `${statsFile(name)}: ${minorFaults} minor and ${majorFaults} major page faults in its loop`;
      }),
  },
  {
    id: "node-collections",
    area: "nodes",
    severities: ["medium", "info"],
    why: "the collector stops the loop at a moment nobody chose",
    source: "docs/nodes.md",
    remedy: "make no objects in step: numbers and buffers that init made",
    judge: (facts) =>
      eachShown(running(facts), "medium", ({ name, shown }) => {
        const collections = shown.stats?.collections ?? 0;
        return collections === 0 ? undefined : `${statsFile(name)}: ${collections} collections in its loop`;
      }),
  },
  {
    id: "node-overruns",
    area: "nodes",
    severities: ["medium", "info"],
    why: "a cycle that began too late is a deadline that was missed",
    source: "docs/nodes.md",
    remedy: "see how late, and under which load: rtkit latency TARGET",
    judge: (facts) =>
      eachShown(running(facts), facts.virtualization === "none" ? "medium" : "info", ({ name, shown }) => {
        const { overruns = 0, cycles = 0 } = shown.stats ?? {};
        return overruns === 0 ? undefined : `${statsFile(name)}: ${overruns} overruns in ${cycles} cycles`;
      }),
  },
  {
    id: "node-writes",
    area: "nodes",
    severities: ["medium", "info"],
    why: "a print in the loop waits for whoever reads it; a write to a device waits for its bus. The SDKs' log is written by a thread of its own",
    source: "proc_pid_io(5): the loop's thread was looked at twice, two seconds apart",
    remedy:
      "log with the SDK (self.log, log) in place of print, and do it outside the loop; a device's write is the node's work",
    judge: (facts) => {
      const nodes = running(facts).filter(({ pid }) => pid > 0);
      if (nodes.length > 0 && nodes.every(({ writes }) => writes === null))
        return unseen(facts, "/proc/PID/task/PID/io of the nodes");
      return eachNode(nodes, "medium", ({ name, pid, writes }) =>
        writes === null || writes.calls <= 0
          ? undefined
          : `/proc/${pid}/task/${pid}/io of ${name}: ${writes.calls} writes and ${writes.bytes} bytes in two seconds`,
      );
    },
  },
];

function running({ nodes }: AuditFacts): readonly NodeFacts[] {
  return (nodes ?? []).filter(({ pid }) => pid > 0);
}

function statsFile(name: string): string {
  return `/run/rtnode/${name}.stats`;
}

/** What is wrong with nodes, said together; undefined where there are none. */
function eachNode<Node extends NodeFacts>(
  nodes: readonly Node[] | null,
  severity: Severity,
  wrong: (node: Node) => string | undefined,
): Verdict | undefined {
  if (nodes === null || nodes.length === 0) return undefined;
  const said = nodes.flatMap((node) => wrong(node) ?? []);
  if (said.length > 0) return { severity, evidence: few(said) };
  return ok(`of ${nodes.map(({ name }) => name).join(", ")}`);
}

/** A node whose process the board showed. */
type ShownNode = NodeFacts & { readonly shown: NonNullable<NodeFacts["shown"]> };

function isShown(node: NodeFacts): node is ShownNode {
  return node.shown !== null;
}

/** What is wrong with what running nodes have: well are only those that the board showed. */
function eachShown(
  nodes: readonly NodeFacts[],
  severity: Severity,
  wrong: (node: ShownNode) => string | undefined,
): Verdict | undefined {
  const found = eachNode(nodes.filter(isShown), severity, wrong);
  return found !== undefined && found.severity !== "ok" ? found : (hidden(nodes) ?? found);
}

/** Of running nodes that the board did not show: one that has just ended, or whose line was cut. */
function hidden(nodes: readonly NodeFacts[]): Verdict | undefined {
  const unknown = nodes.filter((node) => node.pid > 0 && !isShown(node));
  if (unknown.length === 0) return undefined;
  return {
    severity: "info",
    evidence: `what rt-launch shows of ${few(unknown.map(({ name, pid }) => `${name} (process ${pid})`))} could not be seen`,
    remedy: "ask again; or look on the board: sudo /usr/lib/rtnode/rt-launch show PID",
  };
}

function isLess(limit: Limit, wanted: number): boolean {
  return typeof limit === "number" && limit < wanted;
}

function judgeLimits(facts: AuditFacts): Verdict | undefined {
  const { nodes, serviceDefaults } = facts;
  if (nodes === null) {
    if (serviceDefaults.rtprio === null || serviceDefaults.rtprio === "unlimited" || serviceDefaults.rtprio > 0)
      return undefined;
    return {
      severity: "info",
      evidence: "systemctl show: DefaultLimitRTPRIO=0: a service is real-time only when its unit says so",
    };
  }
  const found = eachNode(realtimeNodes(facts), "high", ({ name, asks, unit, shown }) => {
    const rtprio = shown?.limits.rtprio?.soft ?? null;
    const memlock = shown?.limits.memlock?.soft ?? null;
    const said = [
      ...(isLess(unit.rtprio, asks.priority) ? [`rtnode@${name}.service: LimitRTPRIO=${unit.rtprio}`] : []),
      ...(asks.locksMemory && unit.memlock !== "unlimited" && unit.memlock !== null
        ? [`rtnode@${name}.service: LimitMEMLOCK=${unit.memlock}`]
        : []),
      ...(isLess(rtprio, asks.priority) ? [`/proc/${shown?.pid}/limits of ${name}: realtime priority ${rtprio}`] : []),
      ...(asks.locksMemory && typeof memlock === "number"
        ? [`/proc/${shown?.pid}/limits of ${name}: locked memory ${memlock}`]
        : []),
    ];
    return said.length === 0 ? undefined : said.join(", ");
  });
  return found?.severity === "ok" ? (hidden(realtimeNodes(facts)) ?? found) : found;
}
