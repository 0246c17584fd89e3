import { candidates, decimalSize, type Judged } from "../../flash/choose.ts";
import { printable } from "../../core/printable.ts";
import { readDisks } from "../../flash/machine.ts";
import { judge } from "../../flash/policy.ts";
import type { Context } from "../../pipeline/step.ts";
import { table } from "../../ui/table.ts";
import type { CommandResult } from "../session.ts";

/** The work of `rtkit flash --list`: what could be written to, and why not the rest. */
export async function listDisks(context: Context): Promise<CommandResult> {
  const disks = await readDisks(context.signal);
  const judged = disks
    .filter(({ kind }) => kind !== "other" && kind !== "loop")
    .map((disk) => ({ disk, verdict: judge(disk, { imageBytes: undefined, imagePaths: [] }) }));
  const offered = candidates(judged);
  const others = judged.filter((one) => !offered.includes(one));
  return {
    result: {
      disks: judged.map(({ disk, verdict }) => ({
        device: disk.path,
        stableNames: disk.stableNames,
        model: disk.model,
        transport: disk.transport,
        kind: disk.kind,
        bytes: disk.sizeBytes,
        labels: disk.labels,
        mounts: verdict.unmount,
        candidate: offered.some((one) => one.disk === disk),
        doubt: verdict.doubt ?? null,
        refusals: verdict.refusals,
      })),
    },
    text: [
      offered.length === 0 ? "there is no card or stick to write to; put one in\n" : section(offered, () => ""),
      ...(others.length === 0 ? [] : [`not offered:\n${section(others, whyNot)}`]),
    ]
      .join("\n")
      .trimEnd(),
  };
}

function section(judged: readonly Judged[], last: (one: Judged) => string): string {
  const rows = table(
    judged.map((one) => {
      const { path, sizeBytes, model, transport, labels, mounts } = one.disk;
      const on = [labels.join(", "), ...mounts.map(({ at }) => printable(at))].filter((text) => text !== "").join("; ");
      return [path, decimalSize(sizeBytes), transport, model, on, last(one)];
    }),
  );
  return rows.join("\n");
}

function whyNot({ verdict: { refusals, doubt } }: Judged): string {
  const reasons = refusals.map(({ reason }) => reason);
  return reasons.length > 0 ? reasons.join("; ") : `${doubt ?? ""}: only when it is named in full`;
}
