import { RtkitErrors, type RtkitError } from "../../core/errors.ts";
import type { Listener } from "../../pipeline/events.ts";
import { formatError } from "../../ui/error-text.ts";
import { errorLine } from "../../ui/ndjson.ts";
import { plainListener } from "../../ui/plain.ts";

/** How `--watch` shows what happens: whole lines only, so that logs and deploys do not garble each other. */
export interface WatchOutput {
  /** A line that a node logged. */
  readonly log: (host: string, line: string) => void;
  /** What came of a deploy. */
  readonly deploy: (result: object, text: string) => void;
  /** Something to know. */
  readonly say: (message: string) => void;
  readonly mistakes: (errors: RtkitErrors | RtkitError) => void;
  /** Hears the steps of the first build, and of those after it. */
  readonly first: Listener;
  readonly later: Listener;
}

/** Begins each line of ours among those of the nodes. */
const MARK = "==> ";

/** For programs: NDJSON on standard output. */
export function jsonOutput(emit: Listener): WatchOutput {
  return {
    log: (host, text) => json({ type: "log", host, line: text }),
    deploy: (result) => json({ type: "deploy", ...result }),
    say: (message) => emit({ type: "warning", message }),
    mistakes: (errors) => all(errors).forEach((error) => line(process.stdout, errorLine(error))),
    first: emit,
    later: emit,
  };
}

/** For people; with several boards each line of a log begins with its board. */
export function plainOutput(several: boolean): WatchOutput {
  const plain = warnOnce(plainListener((text) => line(process.stderr, text)));
  return {
    log: (host, text) => line(process.stdout, several ? `${host}: ${text}` : text),
    deploy: (_, text) => say(text),
    say,
    mistakes: (errors) => all(errors).forEach((error) => say(formatError(error))),
    first: plain,
    later: (event) => {
      if (event.type === "warning") plain(event);
    },
  };
}

/** What is wrong with a board or a project is so after each save; it is said once. */
function warnOnce(listener: Listener): Listener {
  const said = new Set<string>();
  return (event) => {
    if (event.type === "warning") {
      if (said.has(event.message)) return;
      said.add(event.message);
    }
    listener(event);
  };
}

function json(value: object): void {
  line(process.stdout, JSON.stringify(value));
}

function say(text: string): void {
  for (const one of text.split("\n")) line(process.stdout, `${MARK}${one}`);
}

function all(errors: RtkitErrors | RtkitError): readonly RtkitError[] {
  return errors instanceof RtkitErrors ? errors.errors : [errors];
}

function line(stream: NodeJS.WriteStream, text: string): void {
  stream.write(`${text}\n`);
}
