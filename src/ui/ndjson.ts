import type { RtkitError } from "../core/errors.ts";
import type { Listener } from "../pipeline/events.ts";

/** A renderer for programs (`--json`): steps, targets and warnings, one JSON object a line. Plan and progress are for people. */
export function ndjsonListener(write: (line: string) => void): Listener {
  return (event) => {
    if (event.type === "target") write(JSON.stringify({ type: event.type, ...event.result }));
    else if (event.type === "step" || event.type === "warning") write(JSON.stringify(event));
  };
}

/** The line that ends a successful command. */
export function resultLine(result: object): string {
  return JSON.stringify({ type: "result", ...result });
}

/** The line for one mistake: `{"type":"error","code","message","hint","where"}`. */
export function errorLine(error: RtkitError): string {
  return JSON.stringify({
    type: "error",
    code: error.code,
    message: error.message,
    hint: error.hint,
    where: error.where,
  });
}
