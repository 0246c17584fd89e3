import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { cacheDir } from "../../src/core/paths.ts";
import { hostArchitecture } from "../../src/core/architecture.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import type { Context, StepOutput } from "../../src/pipeline/step.ts";
import type { Sources } from "../../src/rootfs/downloads.ts";
import type { BoardLock } from "../../src/rootfs/lock.ts";
import { chooseMirror } from "../../src/rootfs/mirror.ts";
import { baseStep } from "../../src/rootfs/packages.ts";
import { resolveLock } from "../../src/rootfs/resolve.ts";
import { requireHostArchitecture, TOOL_PACKAGES, toolsStep, toolsTree } from "../../src/rootfs/tools-tree.ts";
import { differences } from "./tree-differences.ts";

/**
 * What differs between a tree that was made natively and an emulated one, by path, with the reason. Nothing does, and the
 * way to keep it so is a line in src/rootfs/dispatch/deny.list, not one here.
 */
const LEGITIMATE: ReadonlySet<string> = new Set();

/**
 * With the essential packages small enough to be emulated in minutes; with scripts in shell, perl (wamerican's with a
 * compiled module beside perl-base alone) and Python.
 */
const PACKAGES = ["initramfs-tools", "python3-minimal", "systemd", "wamerican"];

const emitted: string[] = [];
const context: Context = {
  cacheDir: cacheDir(),
  signal: new AbortController().signal,
  emit: (event) => {
    if (event.type === "warning") emitted.push(event.message);
  },
};
// The architecture that this machine is not.
const architecture = hostArchitecture() === "arm64" ? "amd64" : "arm64";
let lock: BoardLock;
let sources: Sources;

beforeAll(async () => {
  const mirror = await chooseMirror(undefined);
  sources = { mirror, fallback: undefined };
  const demand = {
    suite: "trixie",
    architecture,
    snapshot: null,
    base: PACKAGES,
    project: [],
    nodejs: null,
    kernel: null,
    tools: TOOL_PACKAGES,
  } as const;
  const step = { ...context, progress: (): void => undefined };
  lock = { ...(await resolveLock(step, demand, { mirror, keep: undefined })), nodejs: null };
});

async function install(emulate: boolean): Promise<StepOutput> {
  const makeTools = toolsStep(lock.tools[requireHostArchitecture()].packages, sources);
  const tree = async (): Promise<string> => toolsTree(await runStep(context, makeTools));
  return runStep(context, await baseStep({ lock, sources, sysusers: "u robot 1000", emulate }, makeTools, tree));
}

it("packages that were configured by native programs are what emulation makes of them: every path, mode, owner, link, attribute and byte", async () => {
  const native = await install(false);
  expect(emitted).toEqual([]);
  const emulated = await install(true);
  const found = await differences(join(native.dir, "packages.tar"), join(emulated.dir, "packages.tar"));
  expect(found.filter(({ path }) => !LEGITIMATE.has(path))).toEqual([]);
});
