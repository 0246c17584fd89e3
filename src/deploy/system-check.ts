import { RtkitError } from "../core/errors.ts";
import { formatSize } from "../core/units.ts";
import { formatAddress, type Address } from "./address.ts";
import type { SystemFacts } from "./system-facts.ts";

/** What the files of the target and the nodes of the project need of a system. */
export interface SystemNeeds {
  /** Debian's name of the architecture that programs and nodes are for. */
  readonly architecture: string;
  /** The C library's version that librtnode.so and rtnode.node want, `2.34`. */
  readonly glibc: string;
  /** Bytes that are installed. */
  readonly bytes: number;
  /** Whether there are nodes that Python, or Node.js, runs. */
  readonly python: boolean;
  readonly node: boolean;
}

/**
 * The oldest systemd: from it on, `Type=exec` of rtnode@.service means that the launcher runs (systemd.service(5)). Of newer
 * words older ones say that they do not know them, and do without: RestartSteps=, RestartMaxDelaySec= (254: nodes are tried
 * again every second) and WantsMountsFor= (256: of use only where the releases have a partition of their own).
 */
const SYSTEMD = 240;

/** Bytes besides the files themselves: lists, and the first releases. */
const SPARE = 16 * 1024 * 1024;

/** What keeps a system from becoming a target, the first thing that does; undefined when nothing does. */
export function whatIsMissing(address: Address, facts: SystemFacts, needs: SystemNeeds): RtkitError | undefined {
  const board = formatAddress(address);
  const image = imageRefusal(address, facts, "--bootstrap");
  if (image !== undefined) return image;
  if (facts.systemd === null || facts.systemd < SYSTEMD) {
    const has = facts.systemd === null ? "is not run by systemd" : `has systemd ${facts.systemd}`;
    return error(
      "RTK_BOOTSTRAP_SYSTEMD",
      `${board} ${has}, and nodes need systemd ${SYSTEMD} or newer`,
      "use Debian 12, Ubuntu 22.04, a Raspberry Pi OS of their age, or newer",
    );
  }
  if (facts.architecture !== needs.architecture) {
    return error(
      "RTK_BOOTSTRAP_ARCHITECTURE",
      `the programs of ${board} are ${facts.architecture}, and the project's board is ${needs.architecture}`,
      facts.architecture === "armhf" || facts.architecture === "armv7l"
        ? "install the 64-bit system on it; rtkit has no 32-bit programs"
        : "set board in rtkit.yaml to one of that architecture: rtkit boards",
    );
  }
  if (facts.glibc === null || isOlder(facts.glibc, needs.glibc)) {
    return error(
      "RTK_BOOTSTRAP_GLIBC",
      `${board} has ${facts.glibc === null ? "another C library than glibc" : `glibc ${facts.glibc}`}, and librtnode.so needs glibc ${needs.glibc}`,
      "install a newer system, or build rtkit's programs on an older one: they need what they were compiled with",
    );
  }
  if (facts.sudo === "missing") {
    return error("RTK_BOOTSTRAP_SUDO", `${board} has no sudo`, "as root on it: apt-get install sudo");
  }
  if (facts.lacks.length > 0) {
    return error(
      "RTK_BOOTSTRAP_PROGRAM",
      `${board} has no ${facts.lacks.join(", no ")}`,
      "install the packages that have them; stock Debian, Ubuntu and Raspberry Pi OS do",
    );
  }
  if (facts.readOnly.length > 0) {
    return error(
      "RTK_BOOTSTRAP_READ_ONLY",
      `${facts.readOnly.join(" and ")} of ${board} cannot be written to`,
      "switch its read-only root (overlay) off, and run it again",
    );
  }
  for (const folder of ["/usr", "/opt"]) {
    const free = (facts.free[folder] ?? 0) * 1024;
    if (free >= needs.bytes + SPARE) continue;
    const what = `${board} has ${formatSize(free)} free at ${folder}, and needs ${formatSize(needs.bytes + SPARE)}`;
    return error("RTK_BOOTSTRAP_DISK", what, "make room there");
  }
  const runtimes = [
    ...(needs.python && facts.python === null ? ["python3"] : []),
    ...(needs.node && facts.node === null ? ["nodejs"] : []),
  ];
  if (runtimes.length === 0) return undefined;
  const program = { python3: "/usr/bin/python3", nodejs: "/usr/bin/node" };
  return error(
    "RTK_BOOTSTRAP_RUNTIME",
    `${board} has no ${runtimes.map((name) => program[name as keyof typeof program]).join(" and no ")}, which nodes of the project need`,
    `on it: sudo apt-get install ${runtimes.join(" ")}`,
  );
}

/** An image of rtkit has these files as its own; there is nothing to install or remove. */
export function imageRefusal(address: Address, facts: SystemFacts, option: string): RtkitError | undefined {
  if (facts.installed !== "image") return undefined;
  const board = formatAddress(address);
  return new RtkitError("RTK_BOOTSTRAP_IMAGE", `${board} runs an image of rtkit, which ${option} is not for`, {
    hint: option === "--bootstrap" ? "deploy without it" : "to be rid of it, write another system to its card",
  });
}

/** What is worth knowing, and no reason not to go on. */
export function whatToKnow(address: Address, facts: SystemFacts): { message: string; hint: string } | undefined {
  if (facts.realtime) return undefined;
  const hint = /Ubuntu/i.test(facts.system)
    ? "Ubuntu has one with Ubuntu Pro: pro enable realtime-kernel"
    : /Debian/i.test(facts.system)
      ? `on Debian: sudo apt-get install linux-image-rt-${facts.architecture}, then restart it`
      : "install a kernel with PREEMPT_RT and restart it";
  return {
    message: `the kernel of ${formatAddress(address)} is not real-time: nodes run, and late wake-ups are longer`,
    hint,
  };
}

function error(code: string, what: string, hint: string): RtkitError {
  return new RtkitError(code, what, { hint });
}

/** Whether a version such as `2.31` comes before another. */
function isOlder(version: string, than: string): boolean {
  const [major = 0, minor = 0] = version.split(".").map(Number);
  const [wantedMajor = 0, wantedMinor = 0] = than.split(".").map(Number);
  return major < wantedMajor || (major === wantedMajor && minor < wantedMinor);
}
