import { RtkitError } from "../core/errors.ts";
import type { Compensation, Severity, WantedOption } from "./fragment.ts";
import { valueOf, type Kconfig } from "./kconfig.ts";

/** Whether a kernel's option is as wanted. */
export type Verdict =
  | "satisfied"
  /** It is not, and the image makes up for it at run time. */
  | "compensated"
  | "differs"
  /** A defconfig does not name it. */
  | "unsaid";

/** One option of a kernel, checked: the rows of `rtkit kernel check`. */
export interface OptionVerdict {
  /** Without `CONFIG_`. */
  readonly name: string;
  /** `y`, `n`, `y|m`. */
  readonly wanted: string;
  readonly got: string;
  readonly severity: Severity;
  readonly verdict: Verdict;
  /** What makes up for it: `sysctl kernel.nmi_watchdog=0`. */
  readonly by?: string;
  readonly reason: string;
}

/** What an image does at run time; compensations are looked for here. */
export interface RuntimeSettings {
  /** Values by name, as sysctl.d files leave them. */
  readonly sysctls: Readonly<Record<string, string>>;
  /** Words of the kernel command line. */
  readonly cmdline: readonly string[];
  /** Names of systemd units that overlays bring and that a target wants. */
  readonly units: readonly string[];
}

/** Whether a verdict keeps a board from being real-time, or from starting. */
export function isFatal({ severity, verdict }: OptionVerdict): boolean {
  return severity === "fatal" && (verdict === "differs" || verdict === "unsaid");
}

/**
 * Checks a kernel's configuration against what is wanted, in the order wanted. `named`: of a configuration that is not whole
 * (see namedOptions in kconfig.ts), what it names. Pure.
 */
export function checkKernel(
  config: Kconfig,
  wanted: readonly WantedOption[],
  settings: RuntimeSettings,
  named?: ReadonlySet<string>,
): OptionVerdict[] {
  return wanted.map((option) => {
    const { name, severity, reason } = option;
    const got = valueOf(config, name);
    const row = { name, wanted: option.wanted.join("|"), got, severity, reason };
    if (named?.has(name) === false) return { ...row, got: "?", verdict: "unsaid" };
    const counts = option.when === undefined || valueOf(config, option.when) !== "n";
    if (option.wanted.includes(got) || !counts) return { ...row, verdict: "satisfied" };
    const way = option.compensations.find((all) => all.every((one) => isInPlace(one, settings)));
    if (way === undefined) return { ...row, verdict: "differs" };
    return { ...row, verdict: "compensated", by: way.map((one) => describe(one)).join(" and ") };
  });
}

/** Throws RTK_KERNEL_FATAL when an option with which the board would not be real-time, or not boot, differs. */
export function requireKernel(options: readonly OptionVerdict[]): void {
  const fatal = options.filter(isFatal);
  if (fatal.length === 0) return;
  const lines = fatal.map(({ name, wanted, got, reason }) => `CONFIG_${name} is ${got}, wanted ${wanted}: ${reason}`);
  throw new RtkitError("RTK_KERNEL_FATAL", `this kernel cannot be used:\n${lines.join("\n")}`, {
    hint: "name another kernel.package in the board's file, one whose name has -rt",
  });
}

function isInPlace(compensation: Compensation, { sysctls, cmdline, units }: RuntimeSettings): boolean {
  switch (compensation.kind) {
    case "sysctl":
      return sysctls[compensation.name] === compensation.value;
    case "cmdline":
      return cmdline.includes(compensation.word);
    case "overlay-unit":
      return units.includes(compensation.unit);
  }
}

function describe(compensation: Compensation): string {
  switch (compensation.kind) {
    case "sysctl":
      return `sysctl ${compensation.name}=${compensation.value}`;
    case "cmdline":
      return `cmdline ${compensation.word}`;
    case "overlay-unit":
      return compensation.unit;
  }
}
