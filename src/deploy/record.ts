import * as z from "zod";

/** Printable ASCII, neither beginning nor ending with a space: what a value of a record may be. */
const Text = z.string().regex(/^[!-~](?:[ -~]{0,254}[!-~])?$/);

/** Seconds since 1970 as the board takes them: twelve digits. */
export const LATEST_S = 1e12 - 1;

/**
 * What is known of a deploy, kept beside the release on the board: of which sources it is, and who put it there when. The
 * first three only where the project is in a git work tree.
 */
export const DeployRecord = z.object({
  /** The release's id. */
  release: z.string().regex(/^[0-9a-f]{64}$/),
  /** Seconds since 1970, by the clock of the one who deploys. */
  time: z.int().min(1).max(LATEST_S),
  /** The commit. */
  git: z
    .string()
    .regex(/^(?:[0-9a-f]{40}|[0-9a-f]{64})$/)
    .optional(),
  /** What `git describe --always --dirty --tags` says. */
  description: Text.optional(),
  /** True when the project's folder had changes that were not committed. */
  dirty: z.boolean().optional(),
  user: Text.optional(),
  host: Text.optional(),
});
export type DeployRecord = z.infer<typeof DeployRecord>;

/** What a record says of the sources. */
export type SourceFacts = Pick<DeployRecord, "git" | "description" | "dirty">;

/** The order of a record's lines. */
const KEYS = ["release", "time", "git", "description", "dirty", "user", "host"] as const;

/** Longest value of a record: what fits seven times into the board's 4 KiB. */
const LONGEST = 256;

/** A record as it is sent, kept and signed: a line `key value` for each fact. */
export function formatRecord(record: DeployRecord): string {
  const lines = KEYS.flatMap((key) => {
    const value = record[key];
    if (value === undefined) return [];
    return [`${key} ${typeof value === "boolean" ? (value ? "yes" : "no") : value}\n`];
  });
  return lines.join("");
}

/** Reads what {@link formatRecord} wrote, in any order. Throws ZodError when it is no record. */
export function parseRecord(text: string): DeployRecord {
  const values = new Map<string, unknown>();
  for (const line of text.split("\n").filter((each) => each !== "")) {
    const space = line.indexOf(" ");
    const key = line.slice(0, space === -1 ? undefined : space);
    const value = line.slice(key.length + 1);
    if (key === "time") values.set(key, /^\d+$/.test(value) ? Number(value) : value);
    else if (key === "dirty") values.set(key, value === "yes" ? true : value === "no" ? false : value);
    else values.set(key, value);
  }
  return DeployRecord.parse(Object.fromEntries(values));
}

/** Text from elsewhere as a record's value: other characters become question marks. Undefined when nothing is left. */
export function recordText(text: string): string | undefined {
  const value = text
    .replaceAll(/[^ -~]/gu, "?")
    .trim()
    .slice(0, LONGEST)
    .trimEnd();
  return value === "" ? undefined : value;
}

/** A record and, where there is one, its signature: what a board is sent with an order. */
export interface SealedRecord {
  readonly record: DeployRecord;
  /** In the format of ssh-keygen(1), -Y sign; null for none. */
  readonly signature: string | null;
}

/** What `rtnodectl activate` and `rollback` read on standard input. */
export function recordStream({ record, signature }: SealedRecord): Buffer {
  const sealed = signature === null ? "" : part("SIGNATURE", signature);
  return Buffer.from(`${part("RECORD", formatRecord(record))}${sealed}END\n`);
}

function part(word: string, text: string): string {
  return `${word} ${Buffer.byteLength(text)}\n${text}`;
}

/** A record in one line for people. */
export function describeRecord({ description, dirty, user, host, time }: DeployRecord): string {
  const what = [
    ...(description === undefined ? [] : [description]),
    ...(dirty === true ? ["(with uncommitted changes)"] : []),
    ...(user === undefined ? [] : [`by ${user}`]),
    ...(host === undefined ? [] : [`from ${host}`]),
  ];
  return `deployed ${[...what, `at ${formatTime(time)}`].join(" ")}`;
}

/** Seconds since 1970 as people read them, as the board says them too. */
export function formatTime(seconds: number): string {
  return `${new Date(seconds * 1000).toISOString().replace("T", " ").slice(0, -".000Z".length)} UTC`;
}
