import type { Expectations, Limit } from "../config/model.ts";
import type { Cyclictest } from "./cyclictest.ts";
import { since } from "./histogram.ts";
import { countsSince, type Recording, type Status } from "./recording.ts";
import { isTime, type Blame, type Expectation, type LatencyRun, type NodeRun } from "./run.ts";

/** What whoever asked for a run knows of it. */
export interface Asked {
  readonly project: string | null;
  readonly host: string;
  readonly startedAt: Date;
  readonly requestedSeconds: number;
  readonly loads: readonly string[];
  /** What the project file expects of each node. */
  readonly expect: ReadonlyMap<string, Expectations>;
}

/** A recording of which nothing is missing. */
export type WholeRecording = Recording & { readonly [K in "begin" | "end" | "settings"]: NonNullable<Recording[K]> };

/** The run that a recording is of. */
export function assembleRun(
  asked: Asked,
  recording: WholeRecording,
  cyclictest: Cyclictest,
  blame: Blame | null,
): LatencyRun {
  const { begin, end, settings, timeline } = recording;
  const cpuOf = (thread: number): number => cyclictest.cpuOfThread.get(thread) ?? thread;
  return {
    format: "rtkit-latency",
    version: 1,
    project: asked.project,
    host: asked.host,
    startedAt: asked.startedAt.toISOString(),
    requestedSeconds: asked.requestedSeconds,
    seconds: timeline.at(-1)?.at ?? 0,
    loads: [...asked.loads],
    board: {
      model: begin.board ?? null,
      architecture: begin.architecture ?? null,
      kernel: begin.kernel.version,
      realtime: begin.kernel.realtime,
      virtual: settings.virtual,
      release: begin.release,
    },
    settings: settings.values,
    cyclictest: {
      command: cyclictest.command,
      version: cyclictest.version,
      intervalUs: settings.intervalUs,
      cpus: cyclictest.cpus,
    },
    nodes: nodesOf(asked, begin, end, recording),
    timeline: timeline.map((second) => ({
      ...second,
      cpus: second.cpus.map(({ cpu, maxSoFar }) => ({ cpu: cpuOf(cpu), maxSoFar })),
    })),
    blame,
  };
}

/** Nodes that the board has, and those of which the project expects something. */
function nodesOf(asked: Asked, begin: Status, end: Status, { loops }: Recording): NodeRun[] {
  const names = new Set(begin.nodes.map(({ name }) => name));
  for (const [name, expect] of asked.expect) if (expectationsOf(expect).length > 0) names.add(name);
  return [...names].map((name): NodeRun => {
    const before = begin.nodes.find((node) => node.name === name);
    const after = end.nodes.find((node) => node.name === name);
    const loop = loops.get(name);
    return {
      name,
      state: after?.state ?? "not on the board",
      policy: before?.policy ?? null,
      priority: before?.priority ?? null,
      cpus: before?.cpus ?? null,
      lockedKiB: before?.lockedKiB ?? null,
      restarts: restartsBetween(before, after),
      expect: expectationsOf(asked.expect.get(name) ?? {}),
      loop:
        loop === undefined
          ? null
          : {
              periodUs: loop.first.periodUs,
              counts: countsSince(loop.first.counts, loop.last.counts),
              wakeup: since(loop.first.wakeup, loop.last.wakeup),
              step: since(loop.first.step, loop.last.step),
            },
    };
  });
}

type NodeStatus = Status["nodes"][number];

/** systemd counts from 0 again when somebody else starts a unit: another process without a count is one restart. */
function restartsBetween(before: NodeStatus | undefined, after: NodeStatus | undefined): number {
  if (before === undefined || after === undefined) return 0;
  const counted = Math.max(0, after.restarts - before.restarts);
  return counted === 0 && before.pid !== null && after.pid !== before.pid ? 1 : counted;
}

/** Limits in microseconds, or counts. */
function expectationsOf(expect: Expectations): Expectation[] {
  return (Object.entries(expect) as [Limit, number | undefined][]).flatMap(([limit, allowed]) => {
    if (allowed === undefined) return [];
    return [{ limit, allowed: isTime(limit) ? allowed / 1000 : allowed }];
  });
}
