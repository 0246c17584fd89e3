import { common } from "../../core/cpu-list.ts";
import { describeTask, few, foreignTasks, nodeCpus, ok, realtimeNodes, type Rule } from "../rule.ts";

/** Who else is real-time. */
export const TASK_RULES: readonly Rule[] = [
  {
    id: "foreign-tasks",
    area: "tasks",
    severities: ["high", "medium"],
    why: "a program with a node's priority or a higher one runs for as long as it likes before the node does",
    source: "sched(7)",
    remedy: "stop it, or give it a lower priority: chrt --other --pid 0 PID",
    judge: (facts) => {
      const nodes = realtimeNodes(facts);
      // Real-time policies begin at 1.
      const least = Math.min(...nodes.map(({ asks }) => (asks.policy === "deadline" ? 99 : asks.priority)), 99);
      const isAbove = ({ policy, priority }: (typeof facts.tasks)[number]): boolean =>
        policy === "deadline" || ((policy === "fifo" || policy === "rr") && (nodes.length === 0 || priority >= least));
      const above = foreignTasks(facts).filter(isAbove);
      const what = nodes.length === 0 ? "is real-time" : `has priority ${least}, the lowest of a node, or a higher one`;
      if (above.length === 0) return ok(`no other program ${what}`);
      const cpus = nodeCpus(facts);
      const isBeside = above.some(
        (task) => cpus.length === 0 || task.cpus.length === 0 || common(task.cpus, cpus).length > 0,
      );
      const [worst] = above;
      return {
        severity: nodes.length > 0 && isBeside ? "high" : "medium",
        evidence: few(above.map(describeTask)),
        ...(worst === undefined
          ? {}
          : { remedy: `stop it, or give it a lower priority: chrt --other --pid 0 ${worst.pid}` }),
      };
    },
  },
];
