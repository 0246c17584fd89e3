import type { Release, ReleaseNode } from "./release.ts";
import { askBlobs, askCurrentNodes, askStatus } from "./rtnodectl.ts";
import { releaseStream } from "./stream.ts";
import type { Connection } from "./transport.ts";

/** What deploying a release would do to a board. */
export interface Preview {
  /** The release that is active now; null for none. */
  readonly previous: string | null;
  /** True when the board takes only signed releases. */
  readonly signed: boolean;
  readonly sendBytes: number;
  readonly sendFiles: number;
  /** Nodes that would be started, or started again. */
  readonly restarts: readonly string[];
  /** Nodes that would be stopped for good. */
  readonly stops: readonly string[];
}

/** Asks a board what {@link ./board.ts deployRelease} would do to it, and changes nothing. */
export async function previewRelease(connection: Connection, release: Release): Promise<Preview> {
  const { release: previous, signed = false } = await askStatus(connection);
  if (previous === release.id) return { previous, signed, sendBytes: 0, sendFiles: 0, restarts: [], stops: [] };
  const { bytes, blobs } = releaseStream(release, await askBlobs(connection));
  const current = await askCurrentNodes(connection);
  return { previous, signed, sendBytes: bytes, sendFiles: blobs, ...changedNodes(current, release.nodes) };
}

/** Which nodes a board restarts when one release follows another: those whose bundle or launch options differ. */
export function changedNodes(
  current: readonly ReleaseNode[],
  next: readonly ReleaseNode[],
): Pick<Preview, "restarts" | "stops"> {
  const before = new Map(current.map((node) => [node.name, node]));
  const kept = new Set(next.map(({ name }) => name));
  const isSame = (node: ReleaseNode): boolean => {
    const old = before.get(node.name);
    return old?.sha256 === node.sha256 && old.conf.sha256 === node.conf.sha256;
  };
  return {
    restarts: next.filter((node) => !isSame(node)).map(({ name }) => name),
    stops: current.filter(({ name }) => !kept.has(name)).map(({ name }) => name),
  };
}
