import { execa } from "execa";
import type { Options } from "execa";
import { createInterface } from "node:readline";
import type { Outcome } from "./support.ts";

/** The words of programs/driver.c, and how they are run. */
export interface Driven {
  readonly pid: number;
  /** Gives a command and waits for the answer: a number, or the name of an error. */
  readonly tell: (command: string) => Promise<string>;
  /** Gives a command that is not answered. */
  readonly order: (command: string) => void;
  readonly kill: (signal: NodeJS.Signals) => void;
  /** Ends it, if it has not ended, by the end of its input. */
  readonly end: () => Promise<Outcome>;
}

/** Starts a driver and keeps it. Words before it may launch or trace it. */
export function drive(
  words: readonly string[],
  env: Readonly<Record<string, string>> = {},
  options: Options = {},
): Driven {
  const [file = "", ...args] = words;
  const child = execa(file, args, {
    reject: false,
    stripFinalNewline: false,
    timeout: 60_000,
    ...options,
    env,
    buffer: true,
  });
  const answers = createInterface({ input: child.stdout as NodeJS.ReadableStream })[Symbol.asyncIterator]();
  const order = (command: string): void => void child.stdin?.write(`${command}\n`);
  return {
    pid: child.pid ?? 0,
    order,
    tell: async (command) => {
      order(command);
      const { value } = await answers.next();
      if (value === undefined) throw new Error(`it ended instead of an answer to ${command}`);
      return value as string;
    },
    kill: (signal) => void child.kill(signal),
    end: async () => {
      child.stdin?.end();
      const { exitCode, signal, stdout, stderr } = await child;
      return { status: exitCode, signal, stdout: String(stdout), stderr: String(stderr) };
    },
  };
}

/** Gives a driver all commands at once: its answers, in order. */
export async function answersOf(
  program: string,
  commands: readonly string[],
  env: Readonly<Record<string, string>> = {},
): Promise<string[]> {
  const outcome = await execa(program, { input: commands.map((line) => `${line}\n`).join(""), env });
  return outcome.stdout.split("\n");
}
