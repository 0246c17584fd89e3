import { PassThrough, Readable } from "node:stream";
import * as z from "zod";
import { RtkitError } from "../core/errors.ts";
import type { ExecEnd } from "../core/exec.ts";
import { formatAddress, type Address } from "./address.ts";
import { DeployRecord, LATEST_S, parseRecord, recordStream, type SealedRecord } from "./record.ts";
import { parseManifest, type ReleaseNode } from "./release.ts";
import { printable } from "../core/printable.ts";
import type { Connection, RunOptions } from "./transport.ts";

/** The one program that the board's user may run as root. */
export const RTNODECTL = "sudo -n /usr/lib/rtnode/rtnodectl";

/** A release's id, as the board says it. */
export const ReleaseId = z.string().regex(/^[0-9a-f]{64}$/);

/** Seconds since 1970, as the board says them. */
export const BoardTime = z.int().min(0).max(LATEST_S);

/** Words of the board, for a terminal. */
const shown = z.string().transform(printable);

/** What is read here; what else rt-launch says of a process goes along. */
const Node = z.looseObject({
  name: shown,
  /** systemd's ActiveState. */
  state: shown,
  pid: z.number().nullable(),
  /** Of the main thread, as the other two. */
  policy: shown.nullable(),
  priority: z.number().nullable(),
  cpus: shown.nullable(),
  lockedKiB: z.number().nullable(),
  /** How often systemd started it again by itself (NRestarts). */
  restarts: z.number(),
  /** What the node's unit said last (sd_notify's STATUS), e.g. why the launcher refused. */
  reason: shown.nullable(),
  /** What the SDK's loop counts; null without one. */
  stats: z
    .looseObject({
      cycles: z.number(),
      overruns: z.number(),
      minorFaults: z.number(),
      majorFaults: z.number(),
      wakeupUs: z.looseObject({ p99: z.number() }).nullable(),
    })
    .nullish()
    .catch(null),
});

const Status = z.looseObject({
  release: ReleaseId.nullable(),
  previous: ReleaseId.nullable(),
  /** The release that is active and not confirmed yet. */
  pending: ReleaseId.nullable(),
  /** Of the current release; null for none. This and the next two are absent where rtnodectl is older than they. */
  record: DeployRecord.nullish(),
  /** True when the board takes only signed releases. */
  signed: z.boolean().optional(),
  /** The time of the newest signed record that it ever accepted; 0 for none, null when it cannot say. */
  newestRecord: BoardTime.nullish(),
  kernel: z.object({
    version: shown,
    realtime: z.boolean(),
    /** A CPU list, empty for none; null for what the kernel does not say, absent where rtnodectl is older than this. */
    isolatedCpus: z.string().nullish().catch(null),
  }),
  /** What uname(1) calls the processor: `aarch64`, `x86_64`. From here on older boards say nothing, others perhaps null. */
  architecture: z.string().nullish().catch(null),
  /** The model that the board has of its maker: `Raspberry Pi 4 Model B Rev 1.4`. */
  board: z.string().nullish().catch(null),
  uptimeSeconds: z.number().nullish().catch(null),
  /** Of the processor. */
  temperatureC: z.number().nullish().catch(null),
  /** Whether the board is held back now; null for what it cannot say. */
  throttling: z
    .looseObject({ underVoltage: z.boolean().nullable(), frequencyCapped: z.boolean().nullable() })
    .nullish()
    .catch(null),
  /** The release that it went back from by itself since the last deploy, when (seconds since 1970), and why. */
  wentBack: z.object({ release: ReleaseId, time: BoardTime, reason: shown }).nullish().catch(null),
  nodes: z.array(Node),
});

/** What `rtnodectl status --json` says. */
export type BoardStatus = z.infer<typeof Status>;
/** One node in it. */
export type NodeStatus = z.infer<typeof Node>;

const RELEASE_ID = /^[0-9a-f]{64}$/;

/** How the board is. Throws as {@link answerOf}, and RTK_DEPLOY_ANSWER. */
export async function askStatus(connection: Connection): Promise<BoardStatus> {
  const end = await connection.run(`${RTNODECTL} status --json`, answering());
  // 1: of some node it could not say all, and the rest stands.
  const text = end.status === 1 && end.stdout !== "" ? end.stdout : answerOf(connection.address, end);
  return understood(connection.address, () => Status.parse(JSON.parse(text)));
}

/** Longer than rtnodectl waits for another of its kind, ms: a board that takes more time does not answer. */
const ANSWER_MS = 75_000;

function answering(signal?: AbortSignal): RunOptions {
  return { timeoutMs: ANSWER_MS, ...(signal === undefined ? {} : { signal }) };
}

/** The files that the board has, by sha256. */
export async function askBlobs(connection: Connection): Promise<ReadonlySet<string>> {
  const text = answerOf(connection.address, await connection.run(`${RTNODECTL} blobs`));
  return new Set(text.split("\n").filter((line) => RELEASE_ID.test(line)));
}

/** The nodes of the board's current release; none when it has no release. */
export async function askCurrentNodes(connection: Connection): Promise<readonly ReleaseNode[]> {
  const { status, stdout } = await connection.run("cat /opt/rtnode/current/manifest.json");
  return status === 0 ? understood(connection.address, () => parseManifest(stdout)) : [];
}

/** The nodes of a release that the board has; none when it has it no longer. */
export async function askReleaseNodes(connection: Connection, id: string): Promise<readonly ReleaseNode[]> {
  const { status, stdout } = await connection.run(`cat /opt/rtnode/releases/${checkedId(id)}/manifest.json`);
  return status === 0 ? understood(connection.address, () => parseManifest(stdout)) : [];
}

/** An order, and the record that comes with it. */
async function order(connection: Connection, words: string, sealed: SealedRecord | undefined): Promise<void> {
  const end =
    sealed === undefined
      ? await connection.run(`${RTNODECTL} ${words}`)
      : await connection.run(`${RTNODECTL} ${words} --record`, {
          stdin: Readable.from([recordStream(sealed)], { objectMode: false }),
        });
  answerOf(connection.address, end);
}

export async function confirm(connection: Connection, id: string): Promise<void> {
  answerOf(connection.address, await connection.run(`${RTNODECTL} confirm ${checkedId(id)}`, answering()));
}

/**
 * Back to the release before this one, at once. False when the board stays on it: somebody has confirmed it meanwhile, and
 * to that an order to go back means nothing.
 */
export async function revert(connection: Connection, id: string, signal: AbortSignal): Promise<boolean> {
  const end = await connection.run(`${RTNODECTL} revert ${checkedId(id)}`, answering(signal));
  return answerOf(connection.address, end).trim() !== "stays";
}

/** Back to the previous release, or to the one of that id, for good. */
export async function rollback(
  connection: Connection,
  id: string | undefined,
  sealed: SealedRecord | undefined,
): Promise<void> {
  await order(connection, id === undefined ? "rollback" : `rollback ${checkedId(id)}`, sealed);
}

/** The record of a release that the board has; undefined when that has none. */
export async function askRecord(connection: Connection, id: string): Promise<DeployRecord | undefined> {
  const text = answerOf(connection.address, await connection.run(`${RTNODECTL} record ${checkedId(id)}`));
  return text === "" ? undefined : understood(connection.address, () => parseRecord(text));
}

/** A release that the board has. */
export interface BoardRelease {
  readonly id: string;
  readonly mark: "current" | "previous" | "-";
  /** Seconds since 1970: when it came. */
  readonly time: number;
}

export async function askReleases(connection: Connection): Promise<BoardRelease[]> {
  const text = answerOf(connection.address, await connection.run(`${RTNODECTL} releases`));
  return [...text.matchAll(/^([0-9a-f]{64}) (current|previous|-) (\d+)$/gm)].map(([, id = "", mark, time]) => ({
    id,
    mark: mark as BoardRelease["mark"],
    time: Number(time),
  }));
}

/** How long the board measures, under which loads; and what rtla calls late when it looks for who is in the way. */
export interface Measurement {
  readonly seconds: number;
  readonly loads: readonly string[];
  readonly blameUs?: number;
}

/** What a measurement takes besides its seconds, on a board that is slow and busy, seconds. */
const AROUND_S = 240;

/**
 * Has the board measure how late it wakes (src/device/latency.sh), and passes its lines on. It stops and clears up as
 * soon as the signal, or the end of this process, closes the command's standard input.
 */
export async function measureLatency(
  connection: Connection,
  { seconds, loads, blameUs }: Measurement,
  onLine: (line: string) => void,
  signal: AbortSignal,
): Promise<ExecEnd> {
  const words = [Math.trunc(seconds), loads.length === 0 ? "none" : loads.map(checkedLoad).join(",")];
  const blame = blameUs === undefined ? "" : ` --blame ${Math.max(1, Math.trunc(blameUs))}`;
  const open = new PassThrough();
  try {
    return await connection.run(`${RTNODECTL} latency ${words.join(" ")}${blame}`, {
      stdin: open,
      onLine,
      signal,
      timeoutMs: (seconds + AROUND_S) * 1000,
    });
  } finally {
    open.destroy();
  }
}

function checkedLoad(load: string): string {
  if (!/^[a-z]+$/.test(load)) throw new Error(`${load} is no load`);
  return load;
}

/** The last lines of a node's log, the newest last; none where the user may not read them. */
export async function lastLines(connection: Connection, node: string, lines: number): Promise<string[]> {
  return journal(connection, `--output=cat --lines=${lines} ${linesOf(node)}`);
}

/** What the nodes logged in the last whole `seconds`. */
export async function recentLines(connection: Connection, seconds: number): Promise<string[]> {
  return journal(connection, `--output=short --since=-${Math.trunc(seconds)}s ${linesOf(undefined)}`);
}

/** Passes the log of one node, or of all, on line by line, with `follow` until aborted. Throws RTK_DEPLOY_LOGS. */
export async function followLog(
  connection: Connection,
  options: {
    readonly node: string | undefined;
    readonly follow: boolean;
    /** Only what is not older than this; undefined for all there is. */
    readonly sinceSeconds: number | undefined;
  },
  onLine: (line: string) => void,
): Promise<void> {
  const { node, follow, sinceSeconds } = options;
  const words = [
    "--output=short-precise",
    ...(follow ? ["--follow"] : []),
    ...(sinceSeconds === undefined ? [] : [`--since=-${Math.ceil(sinceSeconds)}s`]),
    linesOf(node),
  ];
  const { status, stderr } = await connection.run(journalCommand(words.join(" ")), {
    onLine: (line) => onLine(printable(line)),
  });
  if (status === 0) return;
  throw new RtkitError(
    "RTK_DEPLOY_LOGS",
    `${formatAddress(connection.address)} does not show its logs: ${said(stderr)}`,
    {
      hint: `${connection.address.user} must be in the board's group systemd-journal`,
    },
  );
}

async function journal(connection: Connection, words: string): Promise<string[]> {
  const { stdout } = await connection.run(journalCommand(words), answering());
  return printable(stdout)
    .split("\n")
    .filter((line) => line !== "");
}

/** --all: without it a line with a control character, or a byte that is not UTF-8, is shown as `[48K blob data]`. */
function journalCommand(words: string): string {
  return `journalctl --quiet --no-pager --all ${words}`;
}

/**
 * Which lines. Of all nodes: those from the slice that systemd puts the instances of rtnode@.service into
 * (systemd.resource-control(5), Slice=); a pattern of units is an error as long as none of them has logged anything.
 */
function linesOf(node: string | undefined): string {
  if (node === undefined) return "_SYSTEMD_SLICE=system-rtnode.slice";
  if (!/^[a-z0-9][a-z0-9-]*$/.test(node)) throw new Error(`${node} is no node's name`);
  return `--unit=rtnode@${node}.service`;
}

export function checkedId(id: string): string {
  if (!RELEASE_ID.test(id)) throw new Error(`${id} is no release's id`);
  return id;
}

export function understood<T>(address: Address, read: () => T): T {
  try {
    return read();
  } catch (error) {
    if (!(error instanceof SyntaxError || error instanceof z.ZodError)) throw error;
    const why = printable(error instanceof z.ZodError ? z.prettifyError(error) : error.message);
    throw new RtkitError(
      "RTK_DEPLOY_ANSWER",
      `what ${formatAddress(address)} says of itself is not understood: ${why}`,
      {
        hint: "its image is of another rtkit: build and write it anew",
        cause: error,
      },
    );
  }
}

/**
 * What the board printed. Throws RTK_DEPLOY_SUDO, RTK_DEPLOY_NO_RTNODECTL or RTK_DEPLOY_BOARD_OLD when it cannot do what is
 * asked, and RTK_DEPLOY_REFUSED with its own words when it will not.
 */
export function answerOf(address: Address, { status, stdout, stderr }: ExecEnd): string {
  if (status === 0) return stdout;
  const board = formatAddress(address);
  if (/^sudo: .*(?:password|not allowed|may not run)|is not (?:allowed to|in the sudoers)/m.test(stderr)) {
    throw new RtkitError("RTK_DEPLOY_SUDO", `${address.user} may not run rtnodectl as root on ${board}`, {
      hint: "deploy as the image's user, robot; on other systems rtkit deploy --bootstrap lets its user do it",
    });
  }
  if (status === 127 || /(?:sudo|rtnodectl): (?:command )?not found/.test(stderr)) {
    throw new RtkitError("RTK_DEPLOY_NO_RTNODECTL", `${board} has no rtnodectl, or no sudo`, {
      hint: "write an image to its card (rtkit build), or make its system a target: rtkit deploy --bootstrap",
    });
  }
  if (status === 2) {
    throw new RtkitError("RTK_DEPLOY_BOARD_OLD", `the rtnodectl of ${board} does not know this command`, {
      hint: "its image is older than this rtkit: build and write it anew; other systems: rtkit deploy --bootstrap",
    });
  }
  throw new RtkitError("RTK_DEPLOY_REFUSED", `${board} refused: ${said(stderr)}`, {
    hint: "the board is as it was before",
  });
}

function said(stderr: string): string {
  const text = printable(stderr)
    .split("\n")
    .map((line) => line.replace(/^rtnodectl: /, "").trim())
    .filter((line) => line !== "")
    .join("; ");
  return text === "" ? "it does not say why" : text;
}
