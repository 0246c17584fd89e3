import type { PartialProjectInput } from "../project-schema.ts";
import type { Report } from "../report.ts";

/** RTK_CONFIG_TARGET: exactly one of host and hosts, and no board twice in one target. */
export function targets(input: NonNullable<PartialProjectInput["targets"]>, report: Report): void {
  for (const [name, { host, hosts }] of Object.entries(input)) {
    const path = ["targets", name];
    if ((host === undefined) === (hosts === undefined)) {
      const what = host === undefined ? "a target needs a host" : "a target has either host or hosts";
      const hint = host === undefined ? "add for example host: arm.local" : "move host into the list of hosts";
      report.error("RTK_CONFIG_TARGET", path, what, hint, "key");
    }
    for (const [index, one] of (hosts ?? []).entries()) {
      if (hosts?.indexOf(one) === index) continue;
      report.error("RTK_CONFIG_TARGET", [...path, "hosts", index], `${one} stands here a second time`, "remove it");
    }
  }
}
