import { setTimeout as sleep } from "node:timers/promises";
import { scheduling } from "../device/support.ts";
import type { BoardStatus, RunningBoard } from "./board.ts";

/** What tests read of a unit, by systemctl's names (systemd.service(5), org.freedesktop.systemd1(5)). */
const PROPERTIES = [
  "Id",
  "ActiveState",
  "SubState",
  "Result",
  "MainPID",
  "NRestarts",
  "ExecMainCode",
  "ExecMainStatus",
  "StatusText",
  "RestartUSecNext",
  "WatchdogTimestampMonotonic",
  "ActiveEnterTimestampMonotonic",
] as const;

/** Those properties, as systemctl prints them. */
export type NodeState = Readonly<Record<(typeof PROPERTIES)[number], string>>;

/** ExecMainCode of a process that a signal ended (CLD_KILLED of waitid(2)). */
export const KILLED = "2";

/** How one thread is scheduled: policy as in linux/sched.h, and the kernel's list of its CPUs. */
export interface Thread {
  readonly policy: number;
  readonly priority: number;
  readonly cpus: string;
}

/** `rt-launch show --json`, which the status of a board has for each node. */
type Shown = Pick<BoardStatus["nodes"][number], "policy" | "priority" | "cpus" | "stats">;

/** The nodes of a board whose user may be root, by their names. */
export interface Nodes {
  /** Starts nodes, and returns when each of them is ready or has failed. */
  readonly start: (...names: readonly string[]) => Promise<void>;
  readonly state: (name: string) => Promise<NodeState>;
  readonly states: (names: readonly string[]) => Promise<ReadonlyMap<string, NodeState>>;
  /** Lines of a node's journal: its own, the launcher's and systemd's. */
  readonly log: (name: string) => Promise<string[]>;
  readonly logs: (names: readonly string[]) => Promise<ReadonlyMap<string, string[]>>;
  /** Waits until a node's state is as wanted. */
  readonly until: (name: string, wanted: (state: NodeState) => boolean) => Promise<NodeState>;
  /** Waits until all of the nodes have ended. */
  readonly ended: (names: readonly string[]) => Promise<ReadonlyMap<string, NodeState>>;
  /** Waits for a line of a node's journal. */
  readonly said: (name: string, line: RegExp) => Promise<RegExpExecArray>;
  /** The threads of a process, the main one first, from /proc. */
  readonly threads: (pid: string) => Promise<readonly Thread[]>;
  /** What the launcher says of a node that runs. */
  readonly shown: (name: string) => Promise<Shown>;
}

/** Between two looks, ms, and how many: an emulated board may need minutes. */
const PAUSE_MS = 2000;
const LOOKS = 600;

/** True for a node that has ended and is not started again. */
export function hasEnded({ ActiveState }: NodeState): boolean {
  return ActiveState === "inactive" || ActiveState === "failed";
}

/** The nodes of a running board. */
export function nodesOf(board: RunningBoard): Nodes {
  const states = async (names: readonly string[]): Promise<Map<string, NodeState>> => {
    const shown = await board.ask(`systemctl show --property=${PROPERTIES.join(",")} ${units(names)}`);
    return new Map(shown.split("\n\n").map(readState));
  };
  const state = async (name: string): Promise<NodeState> => found(await states([name]), name);
  const logs = async (names: readonly string[]): Promise<Map<string, string[]>> => {
    const fields = "MESSAGE,UNIT,_SYSTEMD_UNIT";
    const flags = names.map((name) => `-u ${units([name])}`).join(" ");
    const journal = await board.ask(`journalctl --boot --output=json --output-fields=${fields} ${flags}`);
    const lines = new Map<string, string[]>(names.map((name) => [name, []]));
    for (const entry of journal.split("\n").filter(Boolean)) {
      const { MESSAGE, UNIT, _SYSTEMD_UNIT } = JSON.parse(entry) as Record<string, string>;
      lines.get(nameOf(UNIT ?? _SYSTEMD_UNIT ?? ""))?.push(MESSAGE ?? "");
    }
    return lines;
  };
  const log = async (name: string): Promise<string[]> => found(await logs([name]), name);
  const wait = async <T>(names: readonly string[], look: () => Promise<T | undefined>): Promise<T> => {
    for (let looks = 0; looks < LOOKS; looks += 1) {
      const seen = await look();
      if (seen !== undefined) return seen;
      await sleep(PAUSE_MS);
    }
    const last = JSON.stringify([...(await states(names))], null, 2);
    throw new Error(`they did not come so far: ${last}\n${[...(await logs(names)).values()].flat().join("\n")}`);
  };
  return {
    // It fails when one of the nodes does, which is what some are for.
    start: async (...names) => void (await board.tryAsk(`sudo systemctl start ${units(names)}`)),
    state,
    states,
    log,
    logs,
    until: (name, wanted) =>
      wait([name], async () => {
        const now = await state(name);
        return wanted(now) ? now : undefined;
      }),
    ended: (names) =>
      wait(names, async () => {
        const now = await states(names);
        return [...now.values()].every(hasEnded) ? now : undefined;
      }),
    said: (name, line) =>
      wait([name], async () => {
        const matches = (await log(name)).map((text) => line.exec(text));
        return matches.find((match) => match !== null) ?? undefined;
      }),
    shown: async (name) => {
      const { MainPID } = await state(name);
      return JSON.parse(await board.ask(`/usr/lib/rtnode/rt-launch show --json ${MainPID}`)) as Shown;
    },
    threads: async (pid) => {
      const each = 'cat "$task/stat"; grep Cpus_allowed_list: "$task/status"';
      const lines = (await board.ask(`for task in /proc/${pid}/task/*; do ${each}; done`)).split("\n");
      return lines.flatMap((stat, index) => {
        if (index % 2 === 1) return [];
        const { policy, priority } = scheduling(stat);
        return { policy, priority, cpus: lines[index + 1]?.split("\t")[1] ?? "" };
      });
    },
  };
}

function units(names: readonly string[]): string {
  return names.map((name) => `rtnode@${name}.service`).join(" ");
}

function nameOf(unit: string): string {
  return unit.replace(/^rtnode@|\.service$/g, "");
}

function readState(block: string): [string, NodeState] {
  const entries = block.split("\n").map((line) => [line.replace(/=.*/s, ""), line.replace(/^[^=]*=/, "")]);
  const state = Object.fromEntries(entries) as NodeState;
  return [nameOf(state.Id), state];
}

function found<T>(map: ReadonlyMap<string, T>, name: string): T {
  const value = map.get(name);
  if (value === undefined) throw new Error(`the board says nothing of ${name}`);
  return value;
}
