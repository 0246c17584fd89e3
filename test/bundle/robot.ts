import { mkdir, mkdtemp, realpath, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join, resolve } from "node:path";
import { onTestFinished } from "vitest";
import { scanNode, type ScannedNode } from "../../src/bundle/scan.ts";
import type { Board, NodeConfig, Project, Runtime } from "../../src/config/model.ts";
import { RtkitError, RtkitErrors } from "../../src/core/errors.ts";
import { exec, type ExecOptions } from "../../src/core/exec.ts";
import type { Toolbox } from "../../src/core/toolbox.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import type { Context, StepOutput } from "../../src/pipeline/step.ts";

/** Files of a project, by path; `{ link }` is a symbolic link. */
export type Files = Readonly<Record<string, string | Uint8Array | { readonly link: string }>>;

/** The host's Python in the place of the tools tree's. */
export const hostTools: Toolbox = {
  digest: "host",
  sourceDateEpoch: 0,
  run: (tool, args, options?: ExecOptions) => exec(tool, args, options),
};

/** A new folder, removed after the test. A real path. */
export async function temporaryFolder(): Promise<string> {
  const dir = await realpath(await mkdtemp(join(tmpdir(), "rtkit-bundle-")));
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
  return dir;
}

/** Writes files into a folder. */
export async function writeFiles(dir: string, files: Files): Promise<void> {
  for (const [name, content] of Object.entries(files)) {
    const path = join(dir, name);
    await mkdir(dirname(path), { recursive: true });
    if (typeof content === "string" || content instanceof Uint8Array) await writeFile(path, content);
    else await symlink(content.link, path);
  }
}

/** A node with plain settings; its runtime follows from its entry's ending. */
export function nodeOf(dir: string, entry: string, changes: Partial<NodeConfig> = {}): NodeConfig {
  const runtime: Runtime = entry.endsWith(".py") ? "python" : /\.[mc]?[jt]sx?$/.test(entry) ? "typescript" : "native";
  return {
    name: "node",
    entry: resolve(dir, entry),
    runtime,
    args: [],
    env: {},
    schedule: { policy: "other", nice: 0, cpus: [] },
    memory: { lock: false, stack: 0, heap: 0 },
    limits: { rttime: null },
    restart: "on-failure",
    watchdog: null,
    expect: {},
    after: [],
    groups: [],
    ...changes,
  };
}

/** A project on an arm64 board; only what bundling reads means anything. */
export function projectOf(
  dir: string,
  nodes: readonly NodeConfig[],
  architecture: Board["architecture"] = "arm64",
): Project {
  const board: Board = {
    name: "bench",
    description: "for tests",
    architecture,
    cpus: 4,
    suite: "trixie",
    kernel: { package: "linux-image", fragments: [] },
    firmware: { family: "direct" },
    cmdline: [],
    consoles: [],
    packages: [],
    overlays: [],
    partitionTable: "gpt",
    partitions: [],
    qemu: { machine: "virt", cpu: "cortex-a72", console: "ttyAMA0", memory: 1 << 30 },
  };
  const image = {
    hostname: "robot",
    packages: [],
    snapshot: null,
    node: null,
    authorizedKeys: [],
    signers: [],
    overlays: [],
  };
  const kernel = { source: null, fragments: [], patches: [] };
  const none = { kernel, targets: [], deploy: { check: null, health: null }, cache: { url: null } };
  return { dir, file: join(dir, "rtkit.yaml"), name: "robot", board, image, nodes, ...none };
}

/** The SDKs as these tests have them: as small as they can be. */
const SDK: Files = {
  "python/rtnode/__init__.py": "from ._clock import TICK\n",
  "python/rtnode/_clock.py": "TICK = 'sdk tick'\n",
  "typescript/index.ts": 'export { tick } from "./clock.ts";\n',
  "typescript/clock.ts": 'export const tick: string = "sdk tick";\n',
};

/** A project in a folder of its own, scanned. */
export interface Robot {
  readonly dir: string;
  readonly project: Project;
  readonly scanned: ScannedNode;
}

/** Writes a project's files and scans one entry of it. */
export async function scan(files: Files, entry: string, changes: Partial<NodeConfig> = {}): Promise<Robot> {
  const dir = join(await temporaryFolder(), "robot");
  await writeFiles(dir, files);
  return scanAt(dir, entry, changes);
}

/** Scans one entry of a project that is there: with the SDKs in the folder `sdkDir`, or somewhere; for a board with Debian's Node.js or this one. */
export async function scanAt(
  dir: string,
  entry: string,
  changes: Partial<NodeConfig> = {},
  { sdkDir, nodejs }: { readonly sdkDir?: string; readonly nodejs?: string } = {},
): Promise<Robot> {
  const sdk = sdkDir ?? (await temporaryFolder());
  await writeFiles(sdk, SDK);
  const node = nodeOf(dir, entry, changes);
  const project = projectOf(dir, [node]);
  const scanned = await scanNode(project, node, {
    tools: hostTools,
    signal: new AbortController().signal,
    sdk: { python: join(sdk, "python"), typescript: join(sdk, "typescript") },
    nodejs,
  });
  return { dir, project, scanned };
}

/** The mistakes of a project's entry: `code file:line:column message`, the file relative to the project. */
export async function mistakes(files: Files, entry: string): Promise<string[]> {
  const dir = join(await temporaryFolder(), "robot");
  await writeFiles(dir, files);
  return (await mistakesAt(dir, entry)).map((error) => {
    const { file, line, column } = error.where ?? { file: "" };
    const place = [file.replace(`${dir}/`, ""), line, column].filter((part) => part !== undefined).join(":");
    return `${error.code} ${place} ${error.message.replaceAll(dir, "")}`;
  });
}

/** The mistakes themselves. */
export async function mistakesAt(dir: string, entry: string): Promise<readonly RtkitError[]> {
  try {
    await scanAt(dir, entry);
  } catch (error) {
    if (error instanceof RtkitErrors) return error.errors;
    if (error instanceof RtkitError) return [error];
    throw error;
  }
  return [];
}

/** Runs steps with a cache of their own. */
export async function build(scanned: ScannedNode): Promise<StepOutput> {
  return runStep(await contextOf(), scanned.step);
}

/** A context with a cache of its own. */
export async function contextOf(): Promise<Context> {
  return { signal: new AbortController().signal, emit: () => undefined, cacheDir: await temporaryFolder() };
}

/** What running a program gave. */
export interface Outcome {
  readonly stdout: string;
  readonly stderr: string;
  readonly status: number;
}

/** Runs a program to its end, whatever its exit status. */
export async function outcome(
  file: string,
  args: readonly string[],
  cwd: string,
  env: Record<string, string> = {},
): Promise<Outcome> {
  // `env` of coreutils and a shell that prints the status: exec() reports a failed program as an error.
  const script = '"$@"; echo "status $?" >&2';
  const { stdout, stderr } = await exec("sh", ["-c", script, "sh", file, ...args], { cwd, env });
  const match = /status (\d+)\n$/.exec(stderr);
  return { stdout, stderr: stderr.slice(0, match?.index), status: Number(match?.[1]) };
}
