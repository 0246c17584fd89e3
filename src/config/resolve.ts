import type { ProjectFacts } from "./facts.ts";
import type {
  Board,
  ImageConfig,
  KernelConfig,
  KernelSource,
  LimitsConfig,
  MemoryConfig,
  NodeConfig,
  Project,
  Runtime,
  Schedule,
  SchedulePolicy,
} from "./model.ts";
import type { NodeInput, ProjectInput } from "./project-schema.ts";
import { runtimeOf } from "./rules/entry.ts";
import { isRealtime } from "./rules/schedule.ts";

const KIB = 1024;
const MIB = 1024 * KIB;

/**
 * Default of `limits.rttime`: CPU time without blocking. RLIMIT_RTTIME ends a loop that stopped sleeping; it is no
 * deadline. Far above what a loop needs at its worst (V8 compiling and collecting in its first cycles, a virtual machine
 * whose host is busy), and short enough that a runaway is gone before somebody reaches for the power switch. Until then
 * RT throttling leaves 5 % of each second to log in with.
 */
const DEFAULT_RTTIME = 1e9;

/** Default of `memory.stack`: the frames of a loop's deepest call, several times over. */
const DEFAULT_STACK = 512 * KIB;

/**
 * Default of `memory.heap`: what an interpreter and a node's working set allocate in small pieces after start-up. Of
 * TypeScript it is also the young generation: at 32 MiB V8 did not collect in 20,000 cycles at 1 kHz that allocated.
 */
const DEFAULT_HEAPS: Readonly<Record<Runtime, number>> = { python: 16 * MIB, typescript: 32 * MIB, native: 16 * MIB };

/** The one user of the image. */
const DEFAULT_USER = "robot";

/** The project that a checked file stands for: every default filled in, lists sorted where order means nothing. */
export function resolveProject(
  input: ProjectInput,
  facts: ProjectFacts,
  file: string,
  board: Board,
  { authorizedKeys, signers }: Pick<ImageConfig, "authorizedKeys" | "signers">,
): Project {
  return {
    dir: facts.dir,
    file,
    name: input.name,
    board,
    image: {
      hostname: input.image?.hostname ?? input.name,
      packages: [...new Set(input.image?.packages)].toSorted(),
      snapshot: input.image?.snapshot ?? null,
      node: input.image?.node ?? null,
      authorizedKeys,
      signers,
      overlays: facts.overlays.map(({ folder }) => folder.path),
    },
    kernel: resolveKernel(input, facts),
    nodes: Object.entries(input.nodes).map(([name, node]) =>
      resolveNode(name, node, facts.entries.get(name)?.path ?? ""),
    ),
    targets: Object.entries(input.targets ?? {}).map(([name, { host, hosts, user, port }]) => ({
      name,
      hosts: hosts ?? (host === undefined ? [] : [host]),
      user: user ?? DEFAULT_USER,
      port: port ?? null,
    })),
    deploy: { check: input.deploy?.check ?? null, health: input.deploy?.health ?? null },
    cache: { url: input.cache?.url ?? null },
  };
}

function resolveKernel({ kernel }: ProjectInput, { kernel: facts }: ProjectFacts): KernelConfig {
  const source: KernelSource | null =
    kernel?.source === undefined
      ? null
      : facts.source === null
        ? { kind: "debian" }
        : { kind: "folder", path: facts.source.folder.path };
  return {
    source,
    fragments: (kernel?.fragments ?? []).map((item, index) => facts.fragments.get(index)?.path ?? item),
    patches: facts.patches.map(({ path }) => path),
  };
}

function resolveNode(name: string, node: NodeInput, entry: string): NodeConfig {
  return {
    name,
    entry,
    runtime: runtimeOf(entry),
    args: node.args ?? [],
    env: node.env ?? {},
    schedule: resolveSchedule(node.schedule ?? {}),
    memory: resolveMemory(node, runtimeOf(entry)),
    limits: resolveLimits(node),
    restart: node.restart ?? "on-failure",
    watchdog: node.watchdog ?? null,
    after: [...new Set(node.after)].toSorted(),
    groups: [...new Set(node.groups)].toSorted(),
    expect: node.expect ?? {},
  };
}

function resolveSchedule(schedule: NonNullable<NodeInput["schedule"]>): Schedule {
  const cpus = [...new Set(schedule.cpus)].toSorted((a, b) => a - b);
  return { ...resolvePolicy(schedule), cpus };
}

/** What the rules found missing never gets here. */
function resolvePolicy(schedule: NonNullable<NodeInput["schedule"]>): SchedulePolicy {
  const { policy = "other", priority = 0, nice = 0, runtime = 0, period = 0 } = schedule;
  switch (policy) {
    case "fifo":
    case "rr":
      return { policy, priority };
    case "deadline":
      return { policy, runtime, deadline: schedule.deadline ?? period, period };
    case "idle":
      return { policy };
    default:
      return { policy, nice };
  }
}

function resolveMemory({ schedule, memory }: NodeInput, runtime: Runtime): MemoryConfig {
  const realtime = isRealtime(schedule?.policy);
  const lock = memory?.lock ?? realtime;
  return {
    lock,
    stack: memory?.stack ?? (realtime && lock ? DEFAULT_STACK : 0),
    heap: memory?.heap ?? (realtime && lock ? DEFAULT_HEAPS[runtime] : 0),
  };
}

function resolveLimits({ schedule, limits }: NodeInput): LimitsConfig {
  const policy = schedule?.policy;
  const counted = policy === "fifo" || policy === "rr";
  if (!counted || limits?.rttime === "none") return { rttime: null };
  return { rttime: limits?.rttime ?? DEFAULT_RTTIME };
}
