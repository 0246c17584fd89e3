import { mkdir, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { PipelineEvent } from "../../src/pipeline/events.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";

/** A context that remembers what was emitted. */
export interface Watched extends Context {
  readonly events: PipelineEvent[];
  readonly abort: AbortController;
}

/** A context of a build with its cache in `cacheDir`. */
export function watchedContext(cacheDir: string): Watched {
  const events: PipelineEvent[] = [];
  const abort = new AbortController();
  return { cacheDir, events, abort, signal: abort.signal, emit: (event) => void events.push(event) };
}

/** The warnings that were emitted. */
export function warnings({ events }: Watched): string[] {
  return events.flatMap((event) => (event.type === "warning" ? [event.message] : []));
}

/** The content of `sub/text` in the output of {@link countingStep}: long enough to be several chunks with a hole. */
export function textOf(input: string): string {
  return `${input}${"\0".repeat(300_000)}${input}`;
}

/** A step whose output follows from its input (a file, an executable, a link, an empty folder), and counts its runs. */
export function countingStep(input: string, name = "text"): { readonly step: Step; readonly runs: () => number } {
  let runs = 0;
  const step: Step = {
    name,
    title: "Text",
    inputs: { input },
    run: async (outDir) => {
      runs += 1;
      await mkdir(join(outDir, "sub", "empty"), { recursive: true });
      await writeFile(join(outDir, "sub", "text"), textOf(input));
      await writeFile(join(outDir, "tool"), `#!/bin/sh\necho ${input}\n`, { mode: 0o755 });
      await symlink("sub/text", join(outDir, "link"));
    },
  };
  return { step, runs: () => runs };
}
