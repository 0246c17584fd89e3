import type { NodeInput } from "../project-schema.ts";
import type { Report } from "../report.ts";

/** Entries that Node.js runs, and those that a mistake in their ending keeps from it. */
const SCRIPT = /\.[cm]?[jt]sx?$/;

/**
 * RTK_CONFIG_NODE: a Node.js that no node runs on. An error, as every setting is that has no effect: the image would carry
 * 120 MB for nothing, or not what the file says.
 */
export function nodejs(major: string | undefined, nodes: readonly Pick<NodeInput, "entry">[], report: Report): void {
  if (major === undefined || nodes.some(({ entry }) => SCRIPT.test(entry))) return;
  const what = "no node is TypeScript or JavaScript, so nothing would run on it";
  const hint = "remove it; for Node.js as a tool on the board, add nodejs to image.packages";
  report.error("RTK_CONFIG_NODE", ["image", "node"], what, hint, "key");
}
