import * as z from "zod";

const where = z.object({ file: z.string(), line: z.number() });

const condition = z.object({
  condition: z.string(),
  values: z.array(z.object({ name: z.string(), value: z.string().nullable() })),
});

const named = z.object({ name: z.string(), value: z.string() });

/** Why an option did not become what was asked for, as explain.py says it. */
export const reasonSchema = z.discriminatedUnion("kind", [
  /** This version of the kernel has no such option. */
  z.object({ kind: z.literal("unknown"), near: z.array(z.string()) }),
  /** Only these architectures have it, by the names of their folders below arch/. */
  z.object({ kind: z.literal("foreign"), architectures: z.array(z.string()) }),
  /** Conditions that do not hold, with the options they are made of; null for one that this architecture has not. */
  z.object({ kind: z.literal("depends"), unmet: z.array(condition), where }),
  /** Another option of the same choice won. */
  z.object({ kind: z.literal("choice"), choice: z.string(), won: z.string(), where }),
  /** It is what a choice chose, and was asked to be off. */
  z.object({ kind: z.literal("chosen"), choice: z.string(), where }),
  /** Other options need it. */
  z.object({ kind: z.literal("selected"), by: z.array(named), where }),
  /** It cannot be asked for; these options select it. */
  z.object({ kind: z.literal("noPrompt"), selectors: z.array(z.string()), where }),
  z.object({ kind: z.literal("type"), type: z.string(), where }),
  z.object({ kind: z.literal("range"), low: z.string(), high: z.string(), where }),
  z.object({ kind: z.literal("other"), where }),
]);

/** See {@link reasonSchema}. */
export type Reason = z.infer<typeof reasonSchema>;

/** A reason in words. `wanted` is the value that was asked for. */
export function describeReason(reason: Reason, wanted: string): string {
  switch (reason.kind) {
    case "unknown":
      return reason.near.length === 0
        ? "this version of the kernel has no such option"
        : `this version of the kernel has no such option; did you mean ${reason.near.join(" or ")}?`;
    case "foreign":
      return `this architecture has no such option: it is one of ${reason.architectures.join(", ")}`;
    case "depends":
      return `needs ${unique(reason.unmet.map(describeCondition)).join(", and ")} (${place(reason.where)})`;
    case "choice":
      return `${reason.won} won the choice "${reason.choice}" (${place(reason.where)})`;
    case "chosen":
      return `it is what the choice "${reason.choice}" has; ask for another of it (${place(reason.where)})`;
    case "selected": {
      const shown = reason.by.slice(0, MOST_SELECTORS).map(({ name, value }) => `${name}=${value}`);
      const more = reason.by.length - shown.length;
      return `selected by ${shown.join(", ")}${more > 0 ? ` and ${more} more` : ""} (${place(reason.where)})`;
    }
    case "noPrompt":
      return reason.selectors.length === 0
        ? `it cannot be asked for: it follows from other options (${place(reason.where)})`
        : `it cannot be asked for: it comes with ${reason.selectors.join(", ")} (${place(reason.where)})`;
    case "type":
      return `it is a ${reason.type}, which cannot be ${wanted} (${place(reason.where)})`;
    case "range":
      return `it must be from ${reason.low} to ${reason.high} (${place(reason.where)})`;
    case "other":
      return `its Kconfig does not say why (${place(reason.where)})`;
  }
}

const MOST_SELECTORS = 4;

function describeCondition({ condition: text, values }: z.infer<typeof condition>): string {
  const [only, ...others] = values;
  if (only === undefined) return text;
  if (others.length === 0 && only.name === text) return `${text}, which ${has(only.value)}`;
  return `${text}, where ${values.map(({ name, value }) => `${name} ${has(value)}`).join(", ")}`;
}

function has(value: string | null): string {
  return value === null ? "is of another architecture" : `is ${value}`;
}

function place({ file, line }: z.infer<typeof where>): string {
  return `${file}:${line}`;
}

function unique(texts: readonly string[]): string[] {
  return [...new Set(texts)];
}
