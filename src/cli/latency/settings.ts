import { readFile } from "node:fs/promises";
import { usageError } from "../../core/errors.ts";
import { parseSpan } from "../../core/units.ts";
import { parseRun, type LatencyRun } from "../../latency/run.ts";
import type { BoardOptions } from "../deploy/boards.ts";

/** Options of `rtkit latency`, as commander reads them. */
export interface LatencyOptions extends BoardOptions {
  readonly duration: string;
  readonly load: string;
  readonly compare?: string;
  readonly blame?: true;
}

/** Seconds: a week. */
const LONGEST_S = 604_800;

/** Whole seconds of `--duration`. Throws RTK_LATENCY_DURATION. */
export function measuredSeconds(asked: string): number {
  const seconds = Math.trunc(parseSpan(asked) ?? 0);
  if (seconds >= 1 && seconds <= LONGEST_S) return seconds;
  throw usageError("RTK_LATENCY_DURATION", `--duration ${asked} is not a time from 1 s to a week`, {
    hint: "say e.g. --duration 90s, 10min or 2h",
  });
}

/** What src/device/latency.sh knows. */
const LOADS = ["cpu", "disk", "net", "memory"];

/** The loads of `--load`, each once. Throws RTK_LATENCY_LOAD. */
export function chosenLoads(asked: string): readonly string[] {
  if (asked === "none") return [];
  const words = new Set(asked.split(",").map((word) => word.trim()));
  if ([...words].every((word) => LOADS.includes(word))) return LOADS.filter((load) => words.has(load));
  throw usageError("RTK_LATENCY_LOAD", `--load ${asked} is no list of loads`, {
    hint: `say some of ${LOADS.join(", ")} with commas between them, or none`,
  });
}

/** The run of `--compare`. Throws RTK_LATENCY_COMPARE. */
export async function earlierRun(file: string): Promise<LatencyRun> {
  let text: string;
  try {
    text = await readFile(file, "utf8");
  } catch (error) {
    if (!(error instanceof Error && "code" in error)) throw error;
    throw usageError("RTK_LATENCY_COMPARE", `${file} cannot be read (${String(error.code)})`, {
      hint: "say the run.json that stands beside an earlier report",
      cause: error,
    });
  }
  return parseRun(text, file);
}
