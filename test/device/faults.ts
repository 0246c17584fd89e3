import { execa } from "execa";
import { readFileSync } from "node:fs";
import { join } from "node:path";
import { scratchDir } from "../scratch.ts";
import { run } from "./support.ts";
import type { Outcome } from "./support.ts";

/** A system call that is to fail: the main thread's first one that has this line in strace(1)'s output. */
export interface Fault {
  readonly call: RegExp;
  readonly error: string;
  /** The first one after such a line. */
  readonly after?: RegExp;
}

/** A program that is run twice; what it finds must be the same both times, so its environment is made for each. */
export interface Traced {
  readonly words: readonly string[];
  readonly env?: () => Readonly<Record<string, string>>;
  readonly input?: string;
}

/** Whether this machine lets a program be traced. */
export async function canTrace(): Promise<boolean> {
  return (await run(["strace", "-o", "/dev/null", "true"])).status === 0;
}

async function trace(
  { words, env = () => ({}), input = "" }: Traced,
  inject: readonly string[] = [],
): Promise<{ outcome: Outcome; lines: string[] }> {
  const file = join(scratchDir("rtnode-strace-"), "trace");
  // A preloaded library is the program's, not strace's.
  const settings = Object.entries(env()).flatMap(([name, value]) => ["-E", `${name}=${value}`]);
  const result = await execa("strace", ["-qq", "-s", "400", "-o", file, ...settings, ...inject, ...words], {
    reject: false,
    stripFinalNewline: false,
    input,
  });
  const outcome = { status: result.exitCode, signal: result.signal, stdout: result.stdout, stderr: result.stderr };
  return { outcome, lines: readFileSync(file, "utf8").split("\n") };
}

/** Runs a program to see which of its calls it is, and again with that one failing. */
export async function withFault(traced: Traced, { call, error, after }: Fault): Promise<Outcome> {
  const { lines } = await trace(traced);
  const from = after === undefined ? 0 : lines.findIndex((line) => after.test(line));
  const at = lines.findIndex((line, index) => index >= from && call.test(line));
  if (from < 0 || at < 0) throw new Error(`no call like ${call.source}:\n${lines.join("\n")}`);
  const name = lines[at]?.split("(")[0] ?? "";
  const which = lines.slice(0, at + 1).filter((line) => line.startsWith(`${name}(`)).length;
  return (await trace(traced, ["-e", `inject=${name}:error=${error}:when=${which}`])).outcome;
}
