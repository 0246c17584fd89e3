import type { NodeConfig } from "../config/model.ts";
import type { Place } from "../core/errors.ts";
import type { Toolbox } from "../core/toolbox.ts";
import type { Step } from "../pipeline/step.ts";

/** A node whose sources were read and found sound; what is left is to write its bundle. */
export interface ScannedNode {
  readonly node: NodeConfig;
  /** `bundle-<node>`: its output folder holds `<node>.pyz`, `.mjs` (and `.mjs.map`) or `.bin`. */
  readonly step: Step;
  /** Python's top-level modules that nothing but the image can provide, sorted by name. */
  readonly imports: readonly ImageImport[];
  /** Its program has the SDK (or librtnode.so), which tells systemd when it is ready and that it goes on. */
  readonly sdk: boolean;
  /** What works otherwise in a bundle than beside its sources. */
  readonly warnings: readonly BundleWarning[];
}

/** Something that is allowed in a node's sources and probably not meant. */
export interface BundleWarning {
  readonly where: Place;
  readonly message: string;
}

/** One Python module that has to be installed in the image. */
export interface ImageImport {
  /** Its top-level name: `numpy`. */
  readonly module: string;
  /** Of a fallback: groups of modules that are tried first. Where the image has all of one group, this one is not needed. */
  readonly insteadOf: readonly (readonly string[])[];
  /** The import in the project that leads to it. */
  readonly where: Place;
  /** The vendored module that imports it, or null when the project itself does. */
  readonly neededBy: string | null;
  /** The project's requirements.txt names a distribution for it. */
  readonly required: boolean;
}

/** What scanNode (scan.ts) needs besides the project. */
export interface ScanOptions {
  readonly tools: Toolbox;
  readonly signal: AbortSignal;
  /** Absolute paths of the folders that hold the SDKs: `rtnode/` (Python) and `index.ts` (TypeScript). */
  readonly sdk: { readonly python: string; readonly typescript: string };
  /** The version of the official build of Node.js on the board, `24.22.0`; without it the board has Debian's. */
  readonly nodejs?: string | undefined;
}

/** The ending of a node's bundle, by runtime. */
export const bundleEnding = { python: "pyz", typescript: "mjs", native: "bin" } as const;

/** The file name of a node's bundle: `imu.pyz`. */
export function bundleName(node: Pick<NodeConfig, "name" | "runtime">): string {
  return `${node.name}.${bundleEnding[node.runtime]}`;
}
