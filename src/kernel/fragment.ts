import { unquote } from "./kconfig.ts";
import { throwIfAny, usageError, type Place, type RtkitError } from "../core/errors.ts";

/** How bad it is when a kernel differs from what is wanted. */
export type Severity = "fatal" | "high" | "medium" | "info";

/** What makes up for a wrong option at run time. It is looked for in the image before it counts. */
export type Compensation =
  /** A line of a sysctl.d file: `kernel.nmi_watchdog=0`. */
  | { readonly kind: "sysctl"; readonly name: string; readonly value: string }
  /** A word of the kernel command line. */
  | { readonly kind: "cmdline"; readonly word: string }
  /** A systemd unit that an overlay brings and switches on. */
  | { readonly kind: "overlay-unit"; readonly unit: string };

/** One option of a fragment. */
export interface WantedOption {
  /** Without `CONFIG_`. */
  readonly name: string;
  /** Values that are as wanted, the best first: `["y"]`, `["y", "m"]`, `["n"]`. Never empty. */
  readonly wanted: readonly string[];
  /** Whether the value stands in quotes: `"64"` is a text, and no number. */
  readonly isText: boolean;
  readonly severity: Severity;
  readonly reason: string;
  /** Ways to make up for it; each is a list of which all must hold. */
  readonly compensations: readonly (readonly Compensation[])[];
  /** Another option without which this one means nothing: it then counts as satisfied. */
  readonly when?: string;
  readonly where: Place;
}

/** Lines of two fragments that ask for different values of one option; the later one counts. */
export interface Override {
  readonly name: string;
  readonly value: string;
  readonly where: Place;
  /** What it overrides. */
  readonly before: { readonly value: string; readonly where: Place };
}

/** Fragments joined. */
export interface MergedFragments {
  readonly options: readonly WantedOption[];
  readonly overrides: readonly Override[];
}

/**
 * Reads a fragment: a file that `scripts/kconfig/merge_config.sh` of the kernel takes, whose comments say more. Before
 * each option stand, in any order:
 *
 *     # severity: fatal | high | medium | info
 *     # reason: why, in one sentence; may go on
 *     #   on lines that begin with two more spaces
 *     # accept: m                         (values that do as well; optional)
 *     # when: OPTION                      (the line counts only where that option is on; optional)
 *     # compensated: sysctl NAME=VALUE    (optional; also `cmdline WORD`, `overlay-unit NAME`; joined by ` and ` when
 *                                          several are needed together; several lines are several ways)
 *
 * and then `CONFIG_X=y` or `# CONFIG_X is not set`. Other comments begin with `##`. With `defaults` the comments may be left
 * out, and any other ones may stand there: a file of somebody else's. Throws RTK_FRAGMENT_INVALID, all mistakes at once.
 */
export function parseFragment(text: string, file: string, defaults?: FragmentDefaults): WantedOption[] {
  const options: WantedOption[] = [];
  const errors: RtkitError[] = [];
  let facts = new Map<string, Fact[]>();
  let last: Fact | undefined;
  for (const [index, line] of text.split("\n").entries()) {
    const where = { file, line: index + 1, column: 1 };
    const fail = (message: string, hint: string): void => {
      errors.push(usageError("RTK_FRAGMENT_INVALID", message, { where, hint }));
    };
    const set = /^(?:CONFIG_(\w+)=(.+)|# CONFIG_(\w+) is not set)$/.exec(line.trimEnd());
    const fact = /^# (\w+): (.+)$/.exec(line.trimEnd());
    const more = /^# {3}(\S.*)$/.exec(line.trimEnd());
    if (set !== null) {
      const name = set[1] ?? set[3] ?? "";
      const value = unquote(set[2] ?? "n");
      const isText = set[2]?.startsWith('"') === true;
      const option = makeOption({ name, value, isText, where }, facts, defaults, errors);
      if (options.some((other) => other.name === name)) fail(`CONFIG_${name} stands here twice`, "remove one of them");
      else if (option !== undefined) options.push(option);
      facts = new Map();
      last = undefined;
    } else if (
      fact?.[1] !== undefined &&
      fact[2] !== undefined &&
      (defaults === undefined || FACTS.includes(fact[1]))
    ) {
      if (!FACTS.includes(fact[1])) fail(`a comment says "${fact[1]}:"`, `comments say one of: ${FACTS.join(", ")}`);
      last = { text: fact[2], where };
      facts.set(fact[1], [...(facts.get(fact[1]) ?? []), last]);
    } else if (more?.[1] !== undefined && last !== undefined) {
      last.text += ` ${more[1]}`;
    } else if (line.trim() !== "" && !line.startsWith(defaults === undefined ? "##" : "#")) {
      fail(
        `not a line of a kernel fragment: ${line.trim()}`,
        "write CONFIG_X=y or # CONFIG_X is not set; other comments begin with ##",
      );
    }
  }
  for (const { where } of [...facts.values()].flat().slice(0, 1)) {
    errors.push(
      usageError("RTK_FRAGMENT_INVALID", "comments without an option after them", {
        where,
        hint: "add the option, or write ##",
      }),
    );
  }
  throwIfAny(errors);
  return options;
}

/**
 * Joins fragments, later ones on top: an option that two of them name is as the later says. Where the later one asks for
 * a value that the earlier one does not accept, that is told.
 */
export function mergeFragments(fragments: readonly (readonly WantedOption[])[]): MergedFragments {
  const options = new Map<string, WantedOption>();
  const overrides: Override[] = [];
  for (const option of fragments.flat()) {
    const { name, where } = option;
    const [value = "n"] = option.wanted;
    const before = options.get(name);
    if (before !== undefined && !isAsWell(before, value)) {
      overrides.push({ name, value, where, before: { value: before.wanted[0] ?? "n", where: before.where } });
    }
    // As merge_config.sh has it: at the later place. Of a choice Kconfig takes the last.
    options.delete(name);
    options.set(name, option);
  }
  return { options: [...options.values()], overrides };
}

/**
 * Whether a value does as well for a kernel that is compiled here. It boots without an initramfs: a driver that it does not
 * boot without must be built in, though a kernel with an initramfs may have it as a module.
 */
export function isAsWell({ wanted, severity }: Pick<WantedOption, "wanted" | "severity">, value: string): boolean {
  return wanted.includes(value) && !(severity === "fatal" && wanted[0] === "y" && value === "m");
}

/** An override in one sentence. Places are shown as `show` has them. */
export function describeOverride({ name, value, where, before }: Override, show: (file: string) => string): string {
  const at = (place: Place): string => `${show(place.file)}:${place.line ?? 1}`;
  return `CONFIG_${name}=${value} of ${at(where)} overrides =${before.value} of ${at(before.where)}`;
}

/** What a line of a fragment is when its comments do not say it. */
export interface FragmentDefaults {
  readonly severity: Severity;
  readonly reason: string;
}

interface Fact {
  text: string;
  readonly where: Place;
}

const FACTS = ["severity", "reason", "accept", "compensated", "when"];
const SEVERITIES: readonly Severity[] = ["fatal", "high", "medium", "info"];

function makeOption(
  { name, value, isText, where }: Pick<WantedOption, "name" | "isText" | "where"> & { readonly value: string },
  facts: ReadonlyMap<string, readonly Fact[]>,
  defaults: FragmentDefaults | undefined,
  errors: RtkitError[],
): WantedOption | undefined {
  const before = errors.length;
  const fail = (message: string, hint: string, at: Place = where): void => {
    errors.push(usageError("RTK_FRAGMENT_INVALID", message, { where: at, hint }));
  };
  const one = (what: "severity" | "reason"): string => {
    const [first, second] = facts.get(what) ?? [];
    if (first === undefined && defaults !== undefined) return defaults[what];
    if (first === undefined) fail(`CONFIG_${name} has no ${what}`, `write before it: # ${what}: …`);
    if (second !== undefined) fail(`CONFIG_${name} has more than one ${what}`, "remove one of them", second.where);
    return first?.text ?? "";
  };
  const severityText = one("severity");
  const severity = SEVERITIES.find((candidate) => candidate === severityText);
  if (severity === undefined && severityText !== "") {
    fail(`CONFIG_${name} has the severity "${severityText}"`, `severities are: ${SEVERITIES.join(", ")}`);
  }
  const reason = one("reason");
  const [when] = facts.get("when") ?? [];
  const accept = (facts.get("accept") ?? []).flatMap(({ text }) => text.split(/[\s,]+/));
  const compensations = (facts.get("compensated") ?? []).map((fact) => {
    return fact.text.split(" and ").flatMap((part) => {
      const compensation = parseCompensation(part.trim());
      if (compensation !== undefined) return [compensation];
      const hint = "write sysctl NAME=VALUE, cmdline WORD or overlay-unit NAME";
      fail(`not a compensation: ${part.trim()}`, hint, fact.where);
      return [];
    });
  });
  if (severity === undefined || errors.length > before) return undefined;
  const wanted = [...new Set([value, ...accept])];
  return {
    name,
    wanted,
    isText,
    severity,
    reason,
    compensations,
    ...(when === undefined ? {} : { when: when.text }),
    where,
  };
}

function parseCompensation(text: string): Compensation | undefined {
  const [, kind, rest] = /^(sysctl|cmdline|overlay-unit) (\S+)$/.exec(text) ?? [];
  if (kind === undefined || rest === undefined) return undefined;
  if (kind === "cmdline") return { kind, word: rest };
  if (kind === "overlay-unit") return { kind, unit: rest };
  const [, name, value] = /^([^=]+)=(.+)$/.exec(rest) ?? [];
  return name === undefined || value === undefined ? undefined : { kind: "sysctl", name, value };
}
