import type { ProjectFacts } from "../facts.ts";
import type { Board, Signer } from "../model.ts";
import type { PartialProjectInput } from "../project-schema.ts";
import type { Report } from "../report.ts";
import { entry } from "./entry.ts";
import { kernel } from "./kernel.ts";
import { authorizedKeys, signers } from "./keys.ts";
import { prefault } from "./memory.ts";
import { hostname } from "./names.ts";
import { nodejs } from "./nodejs.ts";
import { overlays } from "./overlays.ts";
import * as schedule from "./schedule.ts";
import { targets } from "./targets.ts";
import { watchdog } from "./watchdog.ts";

/** All rules about a project whose shape is right as far as it goes. Without a board, those that need it are left out. */
export function projectRules(
  input: PartialProjectInput,
  facts: ProjectFacts,
  board: Board | undefined,
  report: Report,
): { readonly authorizedKeys: readonly string[]; readonly signers: readonly Signer[] } {
  const nodes = Object.entries(input.nodes ?? {});
  const scheduled = nodes.map(([name, node]) => ({ name, schedule: node.schedule ?? {}, limits: node.limits ?? {} }));
  for (const node of scheduled) {
    schedule.priority(node, report);
    schedule.nice(node, report);
    schedule.deadline(node, report);
    schedule.rttime(node, report);
    if (board !== undefined) schedule.cpus(node, board, report);
  }
  schedule.sharedPriority(scheduled, report);
  if (board !== undefined) schedule.deadlineBandwidth(scheduled, board, report);
  for (const [name, node] of nodes) {
    prefault(name, node, report);
    watchdog(name, node, report);
    const fact = facts.entries.get(name);
    if (fact !== undefined) entry(name, node.entry, fact, facts.dir, report);
  }
  if (input.image?.hostname === undefined) hostname(input.name, ["name"], report);
  else hostname(input.image.hostname, ["image", "hostname"], report);
  nodejs(
    input.image?.node,
    nodes.map(([, node]) => node),
    report,
  );
  kernel(input.kernel ?? {}, facts.kernel, report);
  overlays(input.image?.overlays ?? [], facts.overlays, report);
  targets(input.targets ?? {}, report);
  return {
    authorizedKeys: authorizedKeys(input.image?.ssh?.authorized_keys ?? [], facts.keyFiles, report),
    signers: signers(input.image?.signers ?? [], facts.signerFiles, report),
  };
}
