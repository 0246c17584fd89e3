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
  readonly severity: Severity;
  readonly reason: string;
  /** Ways to make up for it; each is a list of which all must hold. */
  readonly compensations: readonly (readonly Compensation[])[];
  readonly where: Place;
}

/**
 * Reads a fragment: a file that `scripts/kconfig/merge_config.sh` of the kernel takes, whose comments say more. Before
 * each option stand, in any order:
 *
 *     # severity: fatal | high | medium | info
 *     # reason: why, in one sentence; may go on
 *     #   on lines that begin with two more spaces
 *     # accept: m                         (values that do as well; optional)
 *     # compensated: sysctl NAME=VALUE    (optional; also `cmdline WORD`, `overlay-unit NAME`; joined by ` and ` when
 *                                          several are needed together; several lines are several ways)
 *
 * and then `CONFIG_X=y` or `# CONFIG_X is not set`. Other comments begin with `##`. Throws RTK_FRAGMENT_INVALID, all
 * mistakes at once.
 */
export function parseFragment(text: string, file: string): WantedOption[] {
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
      const option = makeOption(name, (set[2] ?? "n").replace(/^"(.*)"$/, "$1"), facts, where, errors);
      if (options.some((other) => other.name === name)) fail(`CONFIG_${name} stands here twice`, "remove one of them");
      else if (option !== undefined) options.push(option);
      facts = new Map();
      last = undefined;
    } else if (fact?.[1] !== undefined && fact[2] !== undefined) {
      if (!FACTS.includes(fact[1])) fail(`a comment says "${fact[1]}:"`, `comments say one of: ${FACTS.join(", ")}`);
      last = { text: fact[2], where };
      facts.set(fact[1], [...(facts.get(fact[1]) ?? []), last]);
    } else if (more?.[1] !== undefined && last !== undefined) {
      last.text += ` ${more[1]}`;
    } else if (line.trim() !== "" && !line.startsWith("##")) {
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
 * Joins fragments, later ones on top: an option that two of them name is as the later says.
 */
export function mergeFragments(fragments: readonly (readonly WantedOption[])[]): WantedOption[] {
  return [...new Map(fragments.flat().map((option) => [option.name, option])).values()];
}

interface Fact {
  text: string;
  readonly where: Place;
}

const FACTS = ["severity", "reason", "accept", "compensated"];
const SEVERITIES: readonly Severity[] = ["fatal", "high", "medium", "info"];

function makeOption(
  name: string,
  value: string,
  facts: ReadonlyMap<string, readonly Fact[]>,
  where: Place,
  errors: RtkitError[],
): WantedOption | undefined {
  const before = errors.length;
  const fail = (message: string, hint: string, at: Place = where): void => {
    errors.push(usageError("RTK_FRAGMENT_INVALID", message, { where: at, hint }));
  };
  const one = (what: string): string => {
    const [first, second] = facts.get(what) ?? [];
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
  return { name, wanted: [...new Set([value, ...accept])], severity, reason, compensations, where };
}

function parseCompensation(text: string): Compensation | undefined {
  const [, kind, rest] = /^(sysctl|cmdline|overlay-unit) (\S+)$/.exec(text) ?? [];
  if (kind === undefined || rest === undefined) return undefined;
  if (kind === "cmdline") return { kind, word: rest };
  if (kind === "overlay-unit") return { kind, unit: rest };
  const [, name, value] = /^([^=]+)=(.+)$/.exec(rest) ?? [];
  return name === undefined || value === undefined ? undefined : { kind: "sysctl", name, value };
}
