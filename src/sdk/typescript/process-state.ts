import { readFileSync } from "node:fs";
import { launched } from "./addon.ts";

/** SCHED_FIFO, SCHED_RR, SCHED_DEADLINE (linux/sched.h). */
const REALTIME_POLICIES: ReadonlySet<number> = new Set([1, 2, 6]);

/** What a real-time node has not got, as phrases, read from the kernel; empty when it has all. */
export function missing(): string[] {
  if (process.platform !== "linux") return ["no real-time scheduling on this system"];
  const lacks: string[] = [];
  // Fields 40 and 41 of proc_pid_stat(5); the name before them may hold blanks and parentheses.
  const fields = readFileSync("/proc/self/stat", "latin1").split(") ").at(-1)?.split(" ") ?? [];
  if (!REALTIME_POLICIES.has(Number(fields[38]))) {
    lacks.push(launched ? "the launch options give it no real-time policy" : "no real-time policy");
  }
  const locked = /^VmLck:\s*(\d+)/m.exec(readFileSync("/proc/self/status", "latin1"))?.[1];
  if (Number(locked ?? 0) === 0) lacks.push("memory is not locked");
  return lacks;
}
