import { join } from "node:path";
import { hostArchitecture, type Architecture } from "../core/architecture.ts";
import { rtkitRoot } from "../core/paths.ts";
import { RtkitError } from "../core/errors.ts";
import { digestFile, type Json } from "../pipeline/digest.ts";
import type { StepContext } from "../pipeline/step.ts";
import { foreignPrograms, gatherForeign } from "./foreign.ts";
import type { ForeignPrograms } from "./namespace.ts";
import { retargetDpkg } from "./retarget.ts";

/** Where the dispatcher's source and its deny list are. */
const DISPATCH = join(rtkitRoot, "src", "rootfs", "dispatch");

/** The deny list: programs that never run as their native twin. */
const DENY_LIST = join(DISPATCH, "deny.list");

/** The dispatcher for this host, as `make -C src/rootfs/dispatch` leaves it. */
export function dispatcherPath(): string {
  return join(rtkitRoot, "build", "host", hostArchitecture() ?? process.arch, "dispatch");
}

/**
 * What of the host's architecture appears in the target's root at its own path, so that native programs find loader and
 * libraries: [kind, path in the tools tree and in the target]. Multiarch keeps them apart from the target's own.
 */
const LIBRARIES: Readonly<Record<Architecture, readonly (readonly ["folder" | "file", string])[]>> = {
  amd64: [
    ["folder", "usr/lib/x86_64-linux-gnu"],
    ["folder", "usr/lib64"],
  ],
  arm64: [
    ["folder", "usr/lib/aarch64-linux-gnu"],
    ["file", "usr/lib/ld-linux-aarch64.so.1"],
  ],
};

/**
 * Shell functions for mmdebstrap's hooks, which run in the build's own mount namespace: `native_up TREE` mounts what the
 * dispatcher and native programs need inside TREE, `native_down TREE` leaves TREE as if nothing had been there. They read
 * the environment of {@link nativeEnv} and do nothing without it.
 */
export const NATIVE_FUNCTIONS = [
  // Read-only: whatever goes wrong in the tree, down to an `rm -rf` of it, the tools tree stays as it is. In a user
  // namespace a mount keeps the flags of the one it comes from (nosuid, nodev, mount_namespaces(7)), so they are repeated.
  "native_bind() {",
  '  mount --bind "$1" "$2"',
  '  flags=$(findmnt --noheadings --output VFS-OPTIONS --mountpoint "$2" | sed "s/^rw/ro/")',
  '  mount -o "remount,bind,$flags" "$2"',
  "}",
  "native_up() {",
  '  [ -n "${NATIVE_TOOLS:-}" ] || return 0',
  '  mkdir -p "$1/.native"',
  '  mount -t tmpfs -o mode=755,size=16m native "$1/.native"',
  '  mkdir "$1/.native/tree"',
  '  native_bind "$NATIVE_TOOLS" "$1/.native/tree"',
  '  : >"$1/.native/qemu"',
  '  native_bind "$NATIVE_QEMU" "$1/.native/qemu"',
  '  cp "$NATIVE_DENY" "$1/.native/deny"',
  '  cp -r "$NATIVE_RETARGETED" "$1/.native/retargeted"',
  // Scripts of packages start programs as other users too; the files may be ours alone.
  '  chmod -R a+rX "$1/.native/deny" "$1/.native/retargeted"',
  // Links of the merged /usr which the target's own packages do not bring.
  '  if [ "$NATIVE_LIB64" = yes ] && [ ! -e "$1/lib64" ]; then ln -s usr/lib64 "$1/lib64"; : >"$1/.native/made-lib64"; fi',
  "  for entry in $NATIVE_LIBRARIES; do",
  "    path=${entry#*:}",
  "    case $entry in",
  '    folder:*) mkdir -p "$1/$path" ;;',
  '    file:*) mkdir -p "$1/${path%/*}"; : >"$1/$path" ;;',
  "    esac",
  '    native_bind "$NATIVE_TOOLS/$path" "$1/$path"',
  "  done",
  "}",
  "native_down() {",
  '  [ -n "${NATIVE_TOOLS:-}" ] || return 0',
  "  for entry in $NATIVE_LIBRARIES; do",
  "    path=${entry#*:}",
  '    umount "$1/$path"',
  "    case $entry in",
  '    folder:*) rmdir "$1/$path" ;;',
  '    file:*) rm "$1/$path" ;;',
  "    esac",
  "  done",
  '  if [ -e "$1/.native/made-lib64" ]; then rm "$1/lib64"; fi',
  '  umount "$1/.native/qemu" "$1/.native/tree" "$1/.native"',
  '  rmdir "$1/.native"',
  "}",
].join("\n");

/**
 * Prepares in `dir`, an existing folder, what is made for one target, and returns the environment that makes
 * {@link NATIVE_FUNCTIONS} work.
 */
export async function prepareNative(
  dir: string,
  options: { readonly qemu: string; readonly toolsTree: string; readonly target: Architecture },
): Promise<Record<string, string>> {
  const { qemu, toolsTree, target } = options;
  const host = requireHost();
  await retargetDpkg(toolsTree, dir, host, target);
  return {
    NATIVE_RETARGETED: dir,
    NATIVE_TOOLS: toolsTree,
    NATIVE_QEMU: qemu,
    NATIVE_DENY: DENY_LIST,
    NATIVE_LIB64: host === "amd64" ? "yes" : "no",
    NATIVE_LIBRARIES: LIBRARIES[host].map((entry) => entry.join(":")).join(" "),
  };
}

/**
 * What of the way programs run goes into a step's inputs: nothing where they are the host's own; the dispatcher, by its
 * source, and the tools it chooses from. A host that must emulate makes the same tree, so that is not in it; being asked
 * to is, or nobody could compare.
 */
export async function foreignInputs(target: Architecture, emulate: boolean, tools: string): Promise<Json> {
  if (hostArchitecture() === target) return "native";
  if (emulate) return "emulated";
  const [dispatcher, denied] = [await digestFile(join(DISPATCH, "dispatch.c")), await digestFile(DENY_LIST)];
  return { dispatcher, denied, tools };
}

/** Finds out how programs of `target` run here, and says it when that is slow. Throws RTK_HOST_FOREIGN. */
export async function howForeignRuns(
  step: StepContext,
  target: Architecture,
  emulate: boolean,
): Promise<ForeignPrograms> {
  const foreign = foreignPrograms(await gatherForeign(target, dispatcherPath(), step.signal), emulate);
  if (foreign instanceof RtkitError) throw foreign;
  if (foreign.kind === "emulated") {
    step.emit({
      type: "warning",
      message: `programs of the packages run under emulation, which takes about ten times as long: ${foreign.reason}`,
    });
  }
  return foreign;
}

function requireHost(): Architecture {
  const host = hostArchitecture();
  if (host === undefined) throw new Error("dispatched on an unknown host");
  return host;
}
