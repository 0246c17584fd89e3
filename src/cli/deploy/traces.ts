import { findSourceMap, type FindSource } from "../../bundle/source-maps.ts";
import { RtkitError } from "../../core/errors.ts";
import type { ReleaseNode } from "../../deploy/release.ts";
import { askReleaseNodes } from "../../deploy/rtnodectl.ts";
import { readTrace } from "../../deploy/traces.ts";
import type { Connection } from "../../deploy/transport.ts";

/** Reads lines of a board's log: places in bundles become places in the project's sources. */
export type LineReader = (connection: Connection, line: string) => Promise<string>;

/**
 * A {@link LineReader} that asks the board which bundle a release has, and the cache in `cacheDir` for the source map of
 * exactly that bundle. Without either a line stays as it is: a place in other sources would mislead.
 */
export function lineReader(cacheDir: string): LineReader {
  const releases = new Map<string, Promise<readonly ReleaseNode[]>>();
  const maps = new Map<string, Promise<FindSource | undefined>>();
  const sha256Of = async (connection: Connection, release: string, node: string): Promise<string | undefined> => {
    const nodes = remember(releases, release, async () =>
      askReleaseNodes(connection, release).catch((error: unknown) => {
        if (error instanceof RtkitError) return [];
        throw error;
      }),
    );
    return (await nodes).find(({ name }) => name === node)?.sha256;
  };
  return async (connection, line) =>
    readTrace(line, async ({ release, node, ...at }) => {
      const sha256 = await sha256Of(connection, release, node);
      if (sha256 === undefined) return undefined;
      const find = await remember(maps, `${node} ${sha256}`, async () => findSourceMap(cacheDir, node, sha256));
      const place = find?.(at.line, at.column);
      if (place === undefined) return undefined;
      const position = at.column === undefined ? `${place.line}` : `${place.line}:${place.column}`;
      return `${place.file}:${position}`;
    });
}

/** Passes lines on in their order, each when it was read. */
export function inOrder(
  read: (line: string) => Promise<string>,
  show: (line: string) => void,
): { readonly take: (line: string) => void; readonly settled: () => Promise<void> } {
  let last = Promise.resolve();
  return {
    take: (line) => {
      last = last.then(async () => show(await read(line)));
      // Whoever waits for all of them hears of it.
      last.catch(() => undefined);
    },
    settled: async () => last,
  };
}

async function remember<T>(known: Map<string, Promise<T>>, key: string, ask: () => Promise<T>): Promise<T> {
  const answer = known.get(key) ?? ask();
  known.set(key, answer);
  return answer;
}
