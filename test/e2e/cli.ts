import { join } from "node:path";
import { execa } from "execa";
import { rtkitRoot } from "../../src/core/paths.ts";

/** How a call of the command line ended. */
export interface CliRun {
  readonly status: number | undefined;
  /** The NDJSON lines of standard output. */
  readonly lines: readonly CliLine[];
  readonly stderr: string;
}

/** One NDJSON line; which members there are depends on its type. */
export interface CliLine extends Readonly<Record<string, unknown>> {
  readonly type: "step" | "warning" | "result" | "error";
}

/** Calls `bin/rtkit … --json` as a user would. */
export async function rtkit(args: readonly string[], env: Record<string, string> = {}): Promise<CliRun> {
  const { exitCode, stdout, stderr } = await execa(join(rtkitRoot, "bin", "rtkit"), [...args, "--json"], {
    reject: false,
    env,
    stdin: "ignore",
  });
  const lines = stdout
    .split("\n")
    .filter((line) => line !== "")
    .map((line) => JSON.parse(line) as CliLine);
  return { status: exitCode, lines, stderr };
}

/** The result line of a call that must succeed. */
export async function rtkitResult<T>(args: readonly string[], env: Record<string, string> = {}): Promise<T> {
  const run = await rtkit(args, env);
  const result = run.lines.at(-1);
  if (run.status !== 0 || result?.type !== "result") {
    const errors = run.lines.filter(({ type }) => type === "error").map((line) => JSON.stringify(line));
    throw new Error(`rtkit ${args.join(" ")} ended with ${run.status}:\n${errors.join("\n")}\n${run.stderr}`);
  }
  return result as unknown as T;
}

/** Names of the steps that ran, that is: were neither cached nor failed. */
export function stepsThatRan(run: CliRun): string[] {
  return run.lines.filter(({ type, status }) => type === "step" && status === "done").map(({ name }) => String(name));
}
