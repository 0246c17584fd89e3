import type { NodeInput } from "../project-schema.ts";
import type { Report } from "../report.ts";
import { isRealtime } from "./schedule.ts";

/** RTK_CONFIG_MEMORY: memory that was touched and may be swapped out again would promise what does not hold. */
export function prefault(name: string, node: NodeInput, report: Report): void {
  const lock = node.memory?.lock ?? isRealtime(node.schedule?.policy);
  if (lock) return;
  for (const key of ["stack", "heap"] as const) {
    if ((node.memory?.[key] ?? 0) === 0) continue;
    const hint = `add lock: true, or remove ${key}`;
    report.error("RTK_CONFIG_MEMORY", ["nodes", name, "memory", key], `${key} without lock has no use`, hint, "key");
  }
}
