import type { WantedOption } from "../kernel/fragment.ts";
import type { AuditFacts } from "./facts.ts";
import { BOARD_AREAS, type BoardFinding } from "./finding.ts";
import type { Rule } from "./rule.ts";
import { CPU_RULES } from "./rules/cpus.ts";
import { KERNEL_RULES } from "./rules/kernel.ts";
import { MEMORY_RULES } from "./rules/memory.ts";
import { NODE_RULES } from "./rules/nodes.ts";
import { BOARD_RULES, SYSTEM_RULES } from "./rules/system.ts";
import { TASK_RULES } from "./rules/tasks.ts";

/** All that an audit looks at, in the order that it is shown in. */
export const RULES: readonly Rule[] = [
  ...BOARD_RULES,
  ...KERNEL_RULES,
  ...CPU_RULES,
  ...MEMORY_RULES,
  ...TASK_RULES,
  ...NODE_RULES,
  ...SYSTEM_RULES,
].toSorted((a, b) => BOARD_AREAS.indexOf(a.area) - BOARD_AREAS.indexOf(b.area));

/** What there is to say of a board, whose kernel should have the options `wanted`. Pure. */
export function audit(facts: AuditFacts, wanted: readonly WantedOption[]): readonly BoardFinding[] {
  return RULES.flatMap((rule) => {
    const verdict = rule.judge(facts, wanted);
    if (verdict === undefined) return [];
    const { severity, evidence, remedy = rule.remedy } = verdict;
    const { id, area, why } = rule;
    const isWell = severity === "ok";
    // Only a board of rtkit's has who mends it.
    const mends = isWell || facts.nodes === null ? null : (rule.mends ?? null);
    return [{ id, area, severity, evidence, why, remedy: isWell ? null : remedy, mends }];
  });
}
