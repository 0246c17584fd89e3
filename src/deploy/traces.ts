/** A position in a node's bundle of one release, as Node.js names it. */
export interface BundlePosition {
  readonly release: string;
  readonly node: string;
  readonly line: number;
  readonly column: number | undefined;
}

/** Node.js follows links to its main module, so that a place always names the release, whichever is current by now. */
const POSITION =
  /(?:file:\/\/)?\/opt\/rtnode\/releases\/([0-9a-f]{64})\/nodes\/([a-z0-9][a-z0-9-]{0,62})\.mjs:(\d{1,9})(?::(\d{1,9}))?/g;

/**
 * A line of a log with the positions in bundles replaced by what `find` says of them, such as `nodes/planner.ts:12:5`;
 * those that it does not know stay as they are.
 */
export async function readTrace(
  line: string,
  find: (position: BundlePosition) => Promise<string | undefined>,
): Promise<string> {
  let read = "";
  let rest = 0;
  for (const match of line.matchAll(POSITION)) {
    const [text, release = "", node = "", lineNumber, column] = match;
    const position = {
      release,
      node,
      line: Number(lineNumber),
      column: column === undefined ? undefined : Number(column),
    };
    read += `${line.slice(rest, match.index)}${(await find(position)) ?? text}`;
    rest = match.index + text.length;
  }
  return `${read}${line.slice(rest)}`;
}
