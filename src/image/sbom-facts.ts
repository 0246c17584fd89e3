import type { BundleDependencies } from "../bundle/dependencies.ts";
import type { Runtime } from "../config/model.ts";
import type { InstalledPackage } from "../rootfs/dpkg-status.ts";

/** What an SBOM is made from. */
export interface SbomFacts {
  /** rtkit's version. */
  readonly rtkit: string;
  /** The document's time, seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly image: { readonly name: string; readonly release: string; readonly sha256: string };
  /** `id` and `version` are ID and VERSION_ID of os-release(5); `suite` is Debian's name for it. */
  readonly system: { readonly id: string; readonly version: string; readonly suite: string };
  readonly packages: readonly InstalledPackage[];
  readonly kernel: KernelFacts;
  /** What the board runs before the kernel. */
  readonly firmware: readonly FileFacts[];
  /** Programs that overlays put into the root file system. */
  readonly programs: readonly FileFacts[];
  /** The official build of Node.js; null when it is Debian's, or none. */
  readonly nodejs: NodejsFacts | null;
  readonly nodes: readonly NodeFacts[];
}

/** The kernel that runs. */
export interface KernelFacts {
  /** What `uname -r` says on the board. */
  readonly release: string;
  readonly sha256: string;
  /** What it was compiled from; null for a kernel out of a Debian package. */
  readonly compiled: {
    /** The version of Debian's source package; null for a folder of the project's. */
    readonly source: string | null;
    /** Hashes of the patches, in order, hex. */
    readonly patches: readonly string[];
  } | null;
}

/** An npm package with the official build of Node.js. */
export interface NodejsFacts {
  readonly name: string;
  readonly version: string;
  /** Of its tarball, hex. */
  readonly sha512: string;
  /** What its package.json names. */
  readonly licence: string | null;
  /** Debian packages that it needs. */
  readonly depends: readonly string[];
}

/** One file of the image. */
export interface FileFacts {
  /** Absolute, on the board. */
  readonly path: string;
  readonly sha256: string;
  /** Null when nobody gave it one. */
  readonly version: string | null;
  /** The Debian package that it is a copy from. */
  readonly package?: string;
}

/** One node of the release. */
export interface NodeFacts {
  readonly name: string;
  readonly runtime: Runtime;
  /** Absolute, on the board. */
  readonly path: string;
  readonly sha256: string;
  /** Null when nothing says what is in it. */
  readonly dependencies: BundleDependencies | null;
}
