import { readFileSync } from "node:fs";
import { join } from "node:path";
import { run } from "./support.ts";
import type { Outcome } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/** One system call of a traced run. */
export interface Call {
  readonly name: string;
  /** How many calls of this name there were up to this one, itself included; the start by execve does not count. */
  readonly nth: number;
  /** The line of strace(1): `prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0) = 0`. */
  readonly line: string;
}

/** True when this user may trace a program: not in every container. */
export async function mayTrace(): Promise<boolean> {
  return (await run(["strace", "-o", "/dev/null", "true"])).status === 0;
}

/** The system calls of the program itself, not of its children, in order; also those after a further execve. */
export async function trace(words: readonly string[]): Promise<{ calls: Call[]; outcome: Outcome }> {
  const file = join(scratchDir("strace-"), "trace");
  const outcome = await run(["strace", "-o", file, "-s", "200", ...words]);
  const counts = new Map<string, number>();
  const calls: Call[] = [];
  for (const line of readFileSync(file, "utf8").split("\n").slice(1)) {
    const name = /^(\w+)\(/.exec(line)?.[1];
    if (name === undefined) continue;
    const nth = (counts.get(name) ?? 0) + 1;
    counts.set(name, nth);
    calls.push({ name, nth, line: line.replace(/ += /, " = ") });
  }
  return { calls, outcome };
}

/**
 * Runs the program with another result for one of its calls, which is not made: `error=EPERM`, or `retval=0`, with which
 * the kernel seems to say yes.
 */
export function inject(call: Call, result: string, words: readonly string[]): Promise<Outcome> {
  return run(["strace", "-o", "/dev/null", "-e", `inject=${call.name}:${result}:when=${call.nth}`, ...words]);
}
