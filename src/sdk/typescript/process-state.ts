import { readFileSync } from "node:fs";
import { launched } from "./addon.ts";

/** Policies by their numbers (linux/sched.h). */
const POLICIES: Readonly<Record<number, string>> = {
  0: "other",
  1: "fifo",
  2: "rr",
  3: "batch",
  5: "idle",
  6: "deadline",
};
const REALTIME: ReadonlySet<string> = new Set(["fifo", "rr", "deadline"]);

/** Policy and priority that the kernel has for the main thread. */
function scheduling(): { readonly policy: string; readonly priority: number } {
  // Fields 40 and 41 of proc_pid_stat(5); the name before them may hold blanks and parentheses.
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ") ?? [];
  return { policy: POLICIES[Number(fields[38])] ?? `${fields[38]}`, priority: Number(fields[37]) };
}

/** What a real-time node has not got, as phrases, read from the kernel; empty when it has all. */
export function missing(): string[] {
  if (process.platform !== "linux") return ["no real-time scheduling on this system"];
  const lacks: string[] = [];
  if (!REALTIME.has(scheduling().policy)) {
    lacks.push(launched ? "the launch options give it no real-time policy" : "no real-time policy");
  }
  const locked = /^VmLck:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  if (Number(locked ?? 0) === 0) lacks.push("memory is not locked");
  return lacks;
}

/** Where the project file, whose word holds, and the constructor say different things: a sentence, or undefined. */
export function disagreement(asked: {
  readonly realtime: boolean;
  readonly policy: string | undefined;
  readonly priority: number | undefined;
}): string | undefined {
  if (!launched || process.platform !== "linux") return undefined;
  const now = scheduling();
  if (!REALTIME.has(now.policy)) return undefined;
  const says = `the project file's ${now.policy} ${now.priority} holds; the constructor says`;
  if (!asked.realtime) return `${says} not real-time`;
  const { policy = now.policy, priority = now.priority } = asked;
  return policy === now.policy && priority === now.priority ? undefined : `${says} ${policy} ${priority}`;
}
