import type { Architecture } from "../core/architecture.ts";
import { allOrAbort } from "../pipeline/concurrent.ts";
import type { Context, StepContext } from "../pipeline/step.ts";
import { openIndex, type AptIndex } from "./apt.ts";
import {
  imageSet,
  type BoardLock,
  type Demand,
  type KernelDemand,
  type LockedKernel,
  type LockedPackage,
  type PackageSet,
} from "./lock.ts";
import type { DebianMirror } from "./mirror.ts";
import { followProgress } from "./progress.ts";

/** apt-patterns(7): Debian's essential packages, which no package names as its dependency. */
export const ESSENTIAL = "?essential";

/**
 * Asks the archive which Debian packages a board's image is made of now. Versions of `keep` stay where the archive still has them.
 * Throws what {@link openIndex} and its `resolve` throw.
 */
export async function resolveLock(
  step: StepContext,
  demand: Demand,
  options: { readonly mirror: DebianMirror; readonly keep: BoardLock | undefined },
): Promise<Omit<BoardLock, "nodejs">> {
  const { suite, architecture, snapshot } = demand;
  const { mirror, keep } = options;
  const opened: AptIndex[] = [];
  const indexOf = async (context: Context, each: Architecture): Promise<AptIndex> => {
    const index = await openIndex({
      suite,
      architecture: each,
      mirror,
      cacheDir: step.cacheDir,
      onLine: followProgress(step.progress),
      signal: context.signal,
    });
    opened.push(index);
    return index;
  };
  try {
    const [amd64, arm64] = await allOrAbort<[AptIndex, AptIndex]>(step, (inner) => [
      indexOf(inner, "amd64"),
      indexOf(inner, "arm64"),
    ]);
    step.progress("choosing packages");
    const index = architecture === "amd64" ? amd64 : arm64;
    const tools = async (each: Architecture): Promise<PackageSet> => ({
      wanted: demand.tools,
      packages: await (each === "amd64" ? amd64 : arm64).resolve(
        [ESSENTIAL, ...demand.tools],
        keep?.tools[each].packages,
      ),
    });
    return {
      suite,
      architecture,
      snapshot,
      releases: index.releases,
      ...(await resolveImage(index, demand, keep === undefined ? [] : imageSet(keep))),
      kernel: demand.kernel === null ? null : await resolveKernel({ index, amd64, arm64 }, demand.kernel, keep?.kernel),
      tools: { amd64: await tools("amd64"), arm64: await tools("arm64") },
    };
  } finally {
    await Promise.all(opened.map(async (index) => index.close()));
  }
}

/**
 * The base system is what it would be without the project, so that projects share it, and the project's packages are
 * what comes on top. Where those change the base system (an alternative that replaces a part of it), all is the base.
 */
async function resolveImage(
  index: AptIndex,
  demand: Demand,
  keep: readonly LockedPackage[],
): Promise<Pick<BoardLock, "base" | "project">> {
  const named = [ESSENTIAL, "apt", ...demand.base];
  const base = await index.resolve(named, keep);
  if (demand.project.length === 0) return { base: { wanted: demand.base, packages: base }, project: NOTHING };
  const whole = await index.resolve([...named, ...demand.project], keep);
  const inWhole = new Set(whole.map(({ sha256 }) => sha256));
  if (!base.every(({ sha256 }) => inWhole.has(sha256))) {
    const wanted = [...demand.base, ...demand.project].toSorted();
    return { base: { wanted, packages: whole }, project: NOTHING };
  }
  const inBase = new Set(base.map(({ sha256 }) => sha256));
  return {
    base: { wanted: demand.base, packages: base },
    project: { wanted: demand.project, packages: whole.filter(({ sha256 }) => !inBase.has(sha256)) },
  };
}

/** Of the source package's dependencies none is needed: the toolchain unpacks it. */
async function resolveKernel(
  { index, amd64, arm64 }: { readonly index: AptIndex; readonly amd64: AptIndex; readonly arm64: AptIndex },
  { source, toolchain }: KernelDemand,
  keep: LockedKernel | null | undefined,
): Promise<LockedKernel> {
  const sources = await index.resolve(source, keep?.source.packages);
  const compilers = async (host: Architecture, of: AptIndex): Promise<PackageSet> => ({
    wanted: toolchain[host],
    packages: await of.resolve([ESSENTIAL, ...toolchain[host]], keep?.toolchain[host].packages),
  });
  return {
    source: { wanted: source, packages: sources.filter(({ name }) => name.startsWith("linux-source-")) },
    toolchain: { amd64: await compilers("amd64", amd64), arm64: await compilers("arm64", arm64) },
  };
}

const NOTHING: PackageSet = { wanted: [], packages: [] };
