import { RtkitError } from "../../src/core/errors.ts";
import type { ExecResult } from "../../src/core/exec.ts";
import type { MountPoint, Toolchain } from "../../src/core/toolchain.ts";

/** What a program of {@link fakeToolchain} is started with. */
export interface FakeRun {
  readonly command: readonly string[];
  /** The folder of this machine that appears at a place. */
  readonly at: (place: MountPoint) => string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly input: string | undefined;
}

/** Compilers that are a function. Lines that it throws are what the program printed before it failed. */
export function fakeToolchain(program: (run: FakeRun) => Promise<string> | string): Toolchain {
  return {
    prefix: "aarch64-linux-gnu-",
    run: async (command, { mounts, env, input, onStdoutLine, onStderrLine }): Promise<ExecResult> => {
      const at = (place: MountPoint): string => {
        const mount = mounts.find(({ to }) => to === place);
        if (mount === undefined) throw new Error(`nothing is mounted at ${place}`);
        return mount.from;
      };
      try {
        const stdout = await program({ command, at, env: env ?? {}, input });
        for (const line of stdout.split("\n")) onStdoutLine?.(line);
        return { stdout, stderr: "" };
      } catch (error) {
        if (!(error instanceof Printed)) throw error;
        for (const line of error.message.split("\n")) onStderrLine?.(line);
        throw new RtkitError("RTK_EXEC_FAILED", "failed", { cause: error });
      }
    },
  };
}

/** What a program printed before it failed. */
export class Printed extends Error {}
