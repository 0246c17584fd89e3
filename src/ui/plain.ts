import { formatMs } from "../core/units.ts";
import type { Listener } from "../pipeline/events.ts";

/** A renderer for pipes and logs: one line when a step starts to work, one when it ends; progress is left out. */
export function plainListener(write: (line: string) => void): Listener {
  const titles = new Map<string, string>();
  return (event) => {
    switch (event.type) {
      case "plan":
        for (const step of event.steps) titles.set(step.name, step.title);
        break;
      case "step": {
        const title = titles.get(event.name) ?? event.name;
        write(event.status === "started" ? `${title}: started` : `${title}: ${event.status} (${formatMs(event.ms)})`);
        break;
      }
      case "warning":
        write(`warning: ${event.message}${event.hint === undefined ? "" : `\n  → ${event.hint}`}`);
        break;
      case "progress":
        break;
    }
  };
}
