import { setTimeout as sleep } from "node:timers/promises";
import * as z from "zod";
import { RtkitError } from "../core/errors.ts";
import { connectSsh, type SshConnection, type SshLogin } from "./ssh.ts";

/** The part of `rtnodectl status --json` that says whether the nodes run. States are systemd's (ActiveState). */
const Status = z.object({
  nodes: z.array(z.object({ name: z.string(), state: z.string(), pid: z.number().nullable() })),
});

type NodeState = z.infer<typeof Status>["nodes"][number];

const STATUS_COMMAND = "/usr/lib/rtnode/rtnodectl status --json";

/** Between two questions, ms: the guest's CPUs are busy booting. */
const PAUSE_MS = 1000;

/**
 * How long a try to connect waits for sshd to speak, ms: the first, and the longest. It doubles, so that a fast guest is
 * not missed for long and one that needs its time, overloaded, is not asked again before it could answer.
 */
const GREETING_MS = { first: 5000, longest: 60_000 };

/** Hears how far the machine is, in a few words. */
export type Progress = (text: string) => void;

/** Returns when the machine lets us in over ssh. Throws as {@link connectSsh}. */
export async function waitForSsh(login: SshLogin, progress: Progress, signal: AbortSignal): Promise<void> {
  (await openConnection(login, progress, signal)).close();
}

/**
 * Returns when every node is active, twice in a row as the same process: one that falls over at its start is not.
 * Throws RTK_EMULATE_NODE_FAILED when a node has failed for good, and as {@link connectSsh}.
 */
export async function waitForNodes(login: SshLogin, progress: Progress, signal: AbortSignal): Promise<void> {
  for (;;) {
    const connection = await openConnection(login, progress, signal);
    try {
      if (await nodesBecomeActive(connection, progress, signal)) return;
    } finally {
      connection.close();
    }
  }
}

async function openConnection(login: SshLogin, progress: Progress, signal: AbortSignal): Promise<SshConnection> {
  progress("waiting for ssh");
  for (let greetingMs = GREETING_MS.first; ; greetingMs = Math.min(2 * greetingMs, GREETING_MS.longest)) {
    const connection = await connectSsh(login, greetingMs, signal);
    if (connection !== undefined) return connection;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** False when the connection was lost. */
async function nodesBecomeActive(connection: SshConnection, progress: Progress, signal: AbortSignal): Promise<boolean> {
  let before: string | undefined;
  for (;;) {
    const output = await connection.run(STATUS_COMMAND);
    if (output === undefined) return false;
    const nodes = parseStatus(output.stdout);
    const failed = nodes.filter(({ state }) => state === "failed").map(({ name }) => name);
    if (failed.length > 0) throw nodesFailed(failed);
    progress(describeNodes(nodes));
    const now = nodes.map(({ name, pid }) => `${name} ${pid}`).join("\n");
    const active = nodes.length > 0 && nodes.every(({ state }) => state === "active");
    if (active && now === before) return true;
    before = active ? now : undefined;
    await sleep(PAUSE_MS, undefined, { signal });
  }
}

/** The nodes; none while the board cannot say yet. */
function parseStatus(text: string): readonly NodeState[] {
  try {
    return Status.parse(JSON.parse(text)).nodes;
  } catch (error) {
    if (error instanceof SyntaxError || error instanceof z.ZodError) return [];
    throw error;
  }
}

function describeNodes(nodes: readonly NodeState[]): string {
  return nodes.length === 0
    ? "ssh answers, the nodes are not known yet"
    : nodes.map(({ name, state }) => `${name} ${state}`).join(", ");
}

function nodesFailed(names: readonly string[]): RtkitError {
  const [first] = names;
  return new RtkitError("RTK_EMULATE_NODE_FAILED", `${names.join(", ")} failed to start`, {
    hint: `start the machine without --until, and over ssh see: journalctl -u rtnode@${first}`,
  });
}
