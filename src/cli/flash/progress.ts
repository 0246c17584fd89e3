import { formatMs, formatSize } from "../../core/units.ts";
import type { Phase, Progress } from "../../flash/flash.ts";
import type { PipelineEvent } from "../../pipeline/events.ts";
import type { Context } from "../../pipeline/step.ts";

const TITLES: Readonly<Record<Phase, (path: string) => string>> = {
  wipe: (path) => `Wipe ${path}`,
  write: (path) => `Write ${path}`,
  clear: (path) => `Clear what stays free on ${path}`,
  sync: (path) => `Sync ${path}`,
  verify: (path) => `Verify ${path}`,
  finish: (path) => `Make ${path} bootable`,
};

/** A display of a disk's phases. */
export interface DiskProgress extends Progress {
  /** The rows of the plan, in order. */
  readonly steps: (PipelineEvent & { type: "plan" })["steps"];
  /** Ends the phase that goes on. */
  end(failed: boolean): void;
  /** What is on the disk when the work is interrupted now; undefined when that is what was there before. */
  whatIsThere(): string | undefined;
}

/** Shows the phases of one disk as steps (`write-sda`), with bytes, rate and remaining time. `now`: milliseconds. */
export function diskProgress(
  context: Context,
  disk: { readonly path: string; readonly verify: boolean; readonly fraction: () => number | undefined },
  now: () => number = () => performance.now(),
): DiskProgress {
  const kernelName = disk.path.replace(/^.*\//, "");
  const phases: Phase[] = ["wipe", "write", "clear", "sync", ...(disk.verify ? (["verify"] as const) : []), "finish"];
  const stepOf = (phase: Phase): string => `${phase}-${kernelName}`;
  let current: Phase | undefined;
  let started = 0;
  let isDone = false;
  const tell = (status: "started" | "done" | "failed"): void => {
    if (current === undefined) return;
    context.emit({ type: "step", name: stepOf(current), status, ms: Math.round(now() - started) });
  };
  return {
    steps: phases.map((phase) => ({ name: stepOf(phase), title: TITLES[phase](disk.path) })),
    begin(phase): void {
      tell("done");
      current = phase;
      started = now();
      tell("started");
    },
    at(bytes, total): void {
      if (current === undefined) return;
      const fraction = total === undefined ? disk.fraction() : bytes / total;
      context.emit({ type: "progress", name: stepOf(current), text: describe(bytes, fraction, now() - started) });
    },
    done(): void {
      tell("done");
      current = undefined;
      isDone = true;
    },
    end(failed): void {
      tell(failed ? "failed" : "done");
      current = undefined;
    },
    whatIsThere(): string | undefined {
      if (isDone) return "the image is on it, whole";
      if (current === undefined) return undefined;
      return current === "finish" ? "not looked at to the end: flash it again" : "not finished; nothing starts from it";
    },
  };
}

/** `312 MiB, 46 %, 21 MiB/s, 17 s left`; what is not known is left out. */
function describe(bytes: number, fraction: number | undefined, ms: number): string {
  const words = [formatSize(bytes)];
  if (fraction !== undefined) words.push(`${Math.floor(100 * fraction)} %`);
  if (ms >= 500) {
    words.push(`${formatSize((1000 * bytes) / ms)}/s`);
    if (fraction !== undefined && fraction > 0) words.push(`${formatMs(ms * (1 / fraction - 1))} left`);
  }
  return words.join(", ");
}
