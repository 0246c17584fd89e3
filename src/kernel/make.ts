import { availableParallelism } from "node:os";
import type { Architecture } from "../core/architecture.ts";
import type { ExecOptions, ExecResult } from "../core/exec.ts";
import type { Mount, Toolchain } from "../core/toolchain.ts";

/** Names and targets that the kernel's makefiles have for an architecture. */
interface KernelArchitecture {
  /** `ARCH=` */
  readonly arch: string;
  /** Its folder below arch/. */
  readonly folder: string;
  /** The image's target, and its file below the build's folder. */
  readonly target: string;
  readonly image: string;
  /** Whether boards of this architecture are described by device trees. */
  readonly hasDeviceTrees: boolean;
}

const ARCHITECTURES: Readonly<Record<Architecture, KernelArchitecture>> = {
  amd64: { arch: "x86_64", folder: "x86", target: "bzImage", image: "arch/x86/boot/bzImage", hasDeviceTrees: false },
  arm64: { arch: "arm64", folder: "arm64", target: "Image", image: "arch/arm64/boot/Image", hasDeviceTrees: true },
};

/** The end of the release of every kernel that rtkit compiles: `6.12.118-rtkit`. */
export const LOCAL_VERSION = "-rtkit";

/** A kernel's source and build folders on this machine, and what it is made with. */
export interface KernelTree {
  readonly toolchain: Toolchain;
  readonly architecture: Architecture;
  readonly source: string;
  readonly build: string;
  /** Where ccache keeps what was compiled. */
  readonly ccache: string;
  /** The time that the kernel says it was made at, in seconds since 1970. */
  readonly sourceDateEpoch: number;
  readonly signal: AbortSignal;
}

/** See {@link KernelArchitecture}. */
export function kernelArchitecture(architecture: Architecture): KernelArchitecture {
  return ARCHITECTURES[architecture];
}

/**
 * The words that go to every make of a kernel: they decide the bytes that come out, so they belong into the inputs of the
 * steps that call it. Nobody's name, host or time gets into the kernel (Documentation/kbuild/reproducible-builds.rst).
 */
export function makeWords(architecture: Architecture, prefix: string, sourceDateEpoch: number): string[] {
  return [
    `ARCH=${kernelArchitecture(architecture).arch}`,
    `CROSS_COMPILE=${prefix}`,
    `CC=ccache ${prefix}gcc`,
    "HOSTCC=ccache gcc",
    `LOCALVERSION=${LOCAL_VERSION}`,
    "KBUILD_BUILD_USER=rtkit",
    "KBUILD_BUILD_HOST=rtkit",
    "KBUILD_BUILD_VERSION=1",
    `KBUILD_BUILD_TIMESTAMP=${new Date(sourceDateEpoch * 1000).toUTCString()}`,
  ];
}

/** Runs make for a kernel. Throws what {@link Toolchain.run} throws. */
export async function makeKernel(
  tree: KernelTree,
  words: readonly string[],
  options: Pick<ExecOptions, "onStdoutLine" | "onStderrLine"> = {},
): Promise<ExecResult> {
  const { toolchain, architecture, sourceDateEpoch } = tree;
  return inKernel(
    tree,
    [
      "make",
      "--directory=/src",
      "O=/build",
      `--jobs=${availableParallelism()}`,
      ...makeWords(architecture, toolchain.prefix, sourceDateEpoch),
      ...words,
    ],
    options,
  );
}

/** Runs a program of the toolchain where a kernel's source is /src and its build is /build. */
export async function inKernel(
  { toolchain, source, build, ccache, signal }: KernelTree,
  command: readonly [string, ...string[]],
  options: Pick<ExecOptions, "onStdoutLine" | "onStderrLine" | "input" | "env"> = {},
): Promise<ExecResult> {
  const mounts: Mount[] = [
    { from: source, to: "/src", readOnly: true },
    { from: build, to: "/build" },
    { from: ccache, to: "/ccache" },
  ];
  const env = { CCACHE_DIR: "/ccache", CCACHE_COMPILERCHECK: "content", CCACHE_MAXSIZE: "2G", ...options.env };
  return toolchain.run(command, { mounts, signal, ...options, env });
}
