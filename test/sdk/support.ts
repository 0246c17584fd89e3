import { build } from "esbuild";
import { execa } from "execa";
import { existsSync, realpathSync, writeFileSync } from "node:fs";
import { delimiter, join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import { deviceDir } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";

/** How a node ended: with an exit status, or by a signal. */
export interface Ended {
  readonly exitCode: number | undefined;
  readonly signal: string | undefined;
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
  /** The same of standard error. */
  readonly said: (pattern: RegExp) => Promise<void>;
}

/** Debian's own: a `python3` in PATH may be a script of a version manager. */
const PYTHON = "/usr/bin/python3";

/** The SDK and the library of the source tree, for nodes that are started by hand. */
export const environment = {
  PYTHONPATH: join(rtkitRoot, "src", "sdk", "python"),
  PYTHONDONTWRITEBYTECODE: "1",
  // Its plain behaviour, whatever these tests are run in.
  PYTHONUNBUFFERED: "",
  RTNODE_LIBRARY: join(deviceDir, "librtnode.so"),
  RTNODE_ADDON: join(deviceDir, "rtnode.node"),
};

/** Starts a program. Nodes have a runtime directory of their own unless `env` names one. */
export function start(words: readonly string[], env: Readonly<Record<string, string>> = {}): Started {
  const [file = "", ...args] = words;
  const child = execa(file, args, {
    env: { ...environment, RTNODE_RUNTIME_DIR: env["RTNODE_RUNTIME_DIR"] ?? scratchDir("rtnode-run-"), ...env },
    reject: false,
    timeout: 60_000,
    killSignal: "SIGKILL",
  });
  return {
    pid: child.pid ?? 0,
    kill: (signal) => child.kill(signal),
    ended: child.then(({ exitCode, signal, stdout, stderr }) => ({ exitCode, signal, stdout, stderr })),
    printed: expectIn(child.stdout),
    said: expectIn(child.stderr),
  };
}

/** Waits for matches in what a stream brings. */
function expectIn(stream: NodeJS.ReadableStream): (pattern: RegExp) => Promise<void> {
  let seen = "";
  stream.on("data", (chunk: Buffer) => (seen += chunk.toString()));
  return (pattern) =>
    new Promise((resolve, reject) => {
      const look = (): void => {
        if (pattern.test(seen)) resolve();
      };
      stream.on("data", look);
      stream.on("close", () => reject(new Error(`it ended without ${pattern.source}:\n${seen}`)));
      look();
    });
}

/** Writes a program's text to a file in a new folder. */
export function writeProgram(name: string, text: string): string {
  const file = join(scratchDir("rtnode-sdk-"), name);
  writeFileSync(file, text);
  return file;
}

/** The Node.js in PATH that is not this one; undefined when there is none. Debian's, on a Debian that has it. */
export function otherNode(): string | undefined {
  return (process.env["PATH"] ?? "")
    .split(delimiter)
    .map((folder) => join(folder, "node"))
    .find(
      (file) =>
        existsSync(file) && realpathSync(file) !== realpathSync(process.execPath) && !file.startsWith(rtkitRoot),
    );
}

/** The words that run a Python file. */
export function pythonCommand(file: string): string[] {
  return [PYTHON, file];
}

/** The words that run an ESM file, on the Node.js of these tests unless another is named. */
export function nodeCommand(file: string, node: string = process.execPath): string[] {
  return [node, "--expose-gc", file];
}

/** Starts a Python node with the SDK in its path, as by hand. */
export function startPython(file: string, env?: Readonly<Record<string, string>>): Started {
  return start(pythonCommand(file), env);
}

/** Starts a bundled node with the addon, as by hand; `RTNODE_ADDON` in `env` names another one. */
export function startTypeScript(file: string, env?: Readonly<Record<string, string>>): Started {
  return start(nodeCommand(file), env);
}

/** One ESM file of a TypeScript program and the SDK, for the Node.js of Debian trixie (20). */
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
