import { formatMs } from "../core/units.ts";
import type { Listener } from "../pipeline/events.ts";

/** Milliseconds between two lines of progress of a step, so that a log of minutes shows that something happens. */
const PROGRESS_MS = 30_000;

/**
 * A renderer for pipes and logs: one line when a step starts to work, one when it ends, and its progress now and then.
 * `now` is a clock in milliseconds.
 */
export function plainListener(write: (line: string) => void, now: () => number = () => performance.now()): Listener {
  const titles = new Map<string, string>();
  const said = new Map<string, number>();
  return (event) => {
    switch (event.type) {
      case "plan":
        for (const step of event.steps) titles.set(step.name, step.title);
        break;
      case "step": {
        const title = titles.get(event.name) ?? event.name;
        said.set(event.name, now());
        write(event.status === "started" ? `${title}: started` : `${title}: ${event.status} (${formatMs(event.ms)})`);
        break;
      }
      case "warning":
        write(`warning: ${event.message}${event.hint === undefined ? "" : `\n  → ${event.hint}`}`);
        break;
      case "progress":
        if (now() - (said.get(event.name) ?? 0) < PROGRESS_MS) break;
        said.set(event.name, now());
        write(`${titles.get(event.name) ?? event.name}: ${event.text}`);
        break;
    }
  };
}
