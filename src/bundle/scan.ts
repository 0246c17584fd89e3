import type { NodeConfig, Project } from "../config/model.ts";
import { scanNative } from "./native.ts";
import { scanPython } from "./python.ts";
import type { ScannedNode, ScanOptions } from "./scanned-node.ts";
import { scanTypescript } from "./typescript.ts";

export type { ScannedNode };

/**
 * Reads everything a node's bundle is made of and finds the mistakes in it; fast enough to run on every build.
 * Throws every mistake of the node at once, with its place, as RtkitError or RtkitErrors.
 */
export function scanNode(project: Project, node: NodeConfig, options: ScanOptions): Promise<ScannedNode> {
  switch (node.runtime) {
    case "python":
      return scanPython(project, node, options);
    case "typescript":
      return scanTypescript(project, node, options);
    case "native":
      return scanNative(project, node);
  }
}
