import { readFile } from "node:fs/promises";
import { hostArchitecture, type Architecture } from "../core/architecture.ts";
import { exec } from "../core/exec.ts";
import { errnoCode, RtkitError } from "../core/errors.ts";
import { findProgram } from "../core/programs.ts";
import { namespace, type ForeignPrograms } from "./namespace.ts";

/** What decides {@link foreignPrograms}. */
export interface ForeignFacts {
  readonly host: Architecture | undefined;
  readonly target: Architecture;
  /** The content of /proc/sys/fs/binfmt_misc/qemu-<arch>, when there is one. */
  readonly registration: string | undefined;
  /** Path of qemu-<arch>-static, when it is installed. */
  readonly qemu: string | undefined;
  /** Path of our dispatcher for this host. */
  readonly dispatcher: string;
  /** Whether binfmt_misc can be mounted in a user namespace: Linux 6.7 and later (commit 21ca59b365c0). */
  readonly privateBinfmt: boolean;
}

/** QEMU's name of an architecture. */
const QEMU_NAMES: Readonly<Record<Architecture, string>> = { arm64: "aarch64", amd64: "x86_64" };

/** ELF e_machine, little endian, as the bytes stand in the file (elf.h: EM_AARCH64 183, EM_X86_64 62). */
const ELF_MACHINES: Readonly<Record<Architecture, string>> = { arm64: "\\xb7\\x00", amd64: "\\x3e\\x00" };

/**
 * Decides how the target's programs run on this host. `emulate` asks for the slow way.
 * Returns the error RTK_HOST_FOREIGN when there is none.
 */
export function foreignPrograms(facts: ForeignFacts, emulate = false): ForeignPrograms | RtkitError {
  const { host, target, qemu, privateBinfmt } = facts;
  if (host === target) return { kind: "native" };
  if (qemu !== undefined && privateBinfmt) {
    if (!emulate) return { kind: "dispatched", qemu, register: registerLine(target, facts.dispatcher, "PF") };
    return { kind: "emulated", register: registerLine(target, qemu, "OPF"), reason: "--emulate was given" };
  }
  if (facts.registration !== undefined && isUsableRegistration(facts.registration)) {
    const reason = emulate
      ? "--emulate was given"
      : qemu === undefined
        ? "qemu-user-static is not installed"
        : "this kernel has no binfmt_misc for user namespaces (Linux 6.7 and later do)";
    return { kind: "emulated", register: undefined, reason };
  }
  if (qemu === undefined) {
    return new RtkitError("RTK_HOST_FOREIGN", `programs for ${target} cannot run here: no qemu-user-static`, {
      hint: "run: sudo apt-get install qemu-user-static",
    });
  }
  return new RtkitError(
    "RTK_HOST_FOREIGN",
    `programs for ${target} cannot run here: this kernel is older than 6.7 and no interpreter is registered`,
    { hint: "run: sudo apt-get install qemu-user-static binfmt-support" },
  );
}

/**
 * Finds out how programs of `target` run here. `dispatcher` is our program for this host. Starts one short-lived process
 * when an interpreter is needed.
 */
export async function gatherForeign(
  target: Architecture,
  dispatcher: string,
  signal?: AbortSignal,
): Promise<ForeignFacts> {
  const host = hostArchitecture();
  if (host === target) {
    return { host, target, registration: undefined, qemu: undefined, dispatcher, privateBinfmt: false };
  }
  const qemu = `qemu-${QEMU_NAMES[target]}`;
  const registration = await readFile(`/proc/sys/fs/binfmt_misc/${qemu}`, "utf8").catch(() => undefined);
  const mount = namespace(["mount", "-t", "binfmt_misc", "none", "/proc/sys/fs/binfmt_misc"]);
  const privateBinfmt = await exec(mount.file, mount.args, signal === undefined ? {} : { signal }).then(
    () => true,
    (error: unknown) => {
      if (error instanceof RtkitError || errnoCode(error) !== undefined) return false;
      throw error;
    },
  );
  return { host, target, registration, qemu: findProgram(`${qemu}-static`), dispatcher, privateBinfmt };
}

/** Needs flag F (the interpreter is opened at registration), or the chroot would have to hold the interpreter. */
function isUsableRegistration(text: string): boolean {
  return /^enabled$/m.test(text) && /^flags:.*F/m.test(text);
}

/**
 * The line for binfmt_misc's `register` file, with its escapes spelled out: the magic is an ELF header of 64 bits,
 * little endian, of an executable or shared object (Documentation/admin-guide/binfmt-misc.rst; qemu's
 * scripts/qemu-binfmt-conf.sh has the same magic and mask). Flags: F opens the interpreter now, so that no chroot needs
 * to hold it; P passes argv[0] on; O opens the program for it.
 */
function registerLine(target: Architecture, interpreter: string, flags: "OPF" | "PF"): string {
  const nothing = "\\x00".repeat(8);
  const magic = `\\x7fELF\\x02\\x01\\x01\\x00${nothing}\\x02\\x00${ELF_MACHINES[target]}`;
  const anything = "\\xff".repeat(8);
  const mask = `\\xff\\xff\\xff\\xff\\xff\\xff\\xff\\x00${anything}\\xfe\\xff\\xff\\xff`;
  // The first character is the separator; a path may hold a colon and is taken as it is.
  const between = [":", "|", "^"].find((separator) => !interpreter.includes(separator)) ?? ":";
  return ["", `qemu-${QEMU_NAMES[target]}`, "M", "", magic, mask, interpreter, flags].join(between);
}
