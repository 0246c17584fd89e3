import { build } from "esbuild";
import { execa } from "execa";
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import { deviceDir } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";

/** How a node ended. */
export interface Ended {
  readonly exitCode: number | undefined;
  readonly stdout: string;
  readonly stderr: string;
}

/** A node that runs. No promise itself, so that an async function can return it. */
export interface Started {
  readonly pid: number;
  readonly kill: (signal: NodeJS.Signals) => void;
  readonly ended: Promise<Ended>;
  /** Waits until standard output has a match; throws when the node ends without it. */
  readonly printed: (pattern: RegExp) => Promise<void>;
}

function start(words: readonly string[], env: Record<string, string>): Started {
  const [file = "", ...args] = words;
  const child = execa(file, args, { env, reject: false, timeout: 30_000, killSignal: "SIGKILL" });
  let seen = "";
  child.stdout.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  return {
    pid: child.pid ?? 0,
    kill: (signal) => child.kill(signal),
    ended: child.then(({ exitCode, stdout, stderr }) => ({ exitCode, stdout, stderr })),
    printed: (pattern) =>
      new Promise((resolve, reject) => {
        const look = (): void => {
          if (pattern.test(seen)) resolve();
        };
        child.stdout.on("data", look);
        child.stdout.on("close", () => reject(new Error(`it ended without ${pattern.source}:\n${seen}`)));
        look();
      }),
  };
}

/** Writes a program's text to a file in a new folder. */
export function writeProgram(name: string, text: string): string {
  const file = join(scratchDir("rtnode-sdk-"), name);
  writeFileSync(file, text);
  return file;
}

/** Starts a Python node with the SDK in its path, as by hand. */
export function startPython(file: string, env: Record<string, string> = {}): Started {
  const own = { PYTHONPATH: join(rtkitRoot, "src", "sdk", "python"), RTNODE_LIBRARY: join(deviceDir, "librtnode.so") };
  return start(["/usr/bin/python3", file], { ...own, ...env });
}

/** One ESM file of a TypeScript node and the SDK, for the Node.js of Debian trixie (20). */
export async function bundle(entry: string): Promise<string> {
  const outfile = join(scratchDir("rtnode-sdk-"), "node.mjs");
  await build({
    entryPoints: [entry],
    outfile,
    bundle: true,
    platform: "node",
    format: "esm",
    target: "node20",
    logLevel: "silent",
    alias: { rtnode: join(rtkitRoot, "src", "sdk", "typescript", "index.ts") },
  });
  return outfile;
}

/** Starts a bundled node with the addon, as by hand; `RTNODE_ADDON` in `env` names another one. */
export function startTypeScript(file: string, env: Record<string, string> = {}): Started {
  return start([process.execPath, "--expose-gc", file], { RTNODE_ADDON: join(deviceDir, "rtnode.node"), ...env });
}
