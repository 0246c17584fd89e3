import type { NodeInput } from "../project-schema.ts";
import type { Report } from "../report.ts";

/** Nanoseconds. librtnode looks after its loop every 50 ms (service.c), and systemd is to hear twice in a watchdog's time. */
const SHORTEST = 200e6;

/** RTK_CONFIG_WATCHDOG: a watchdog that healthy nodes could not content. */
export function watchdog(name: string, node: NodeInput, report: Report): void {
  if (node.watchdog === undefined || node.watchdog >= SHORTEST) return;
  const hint = "use 200ms or more; limits.rttime ends a loop that does not block much sooner";
  report.error("RTK_CONFIG_WATCHDOG", ["nodes", name, "watchdog"], "a watchdog's time is at least 200ms", hint);
}
