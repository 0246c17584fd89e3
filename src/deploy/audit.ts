import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { Readable } from "node:stream";
import { RtkitError } from "../core/errors.ts";
import { rtkitRoot } from "../core/paths.ts";
import { printable } from "../core/printable.ts";
import { formatAddress } from "./address.ts";
import { RTNODECTL } from "./rtnodectl.ts";
import type { Connection } from "./transport.ts";

/** Longer than an emulated board takes, ms. */
const ANSWER_MS = 180_000;

/** What no board says more than, characters: a kernel's configuration and some thousand threads are half a million. */
const LONGEST = 8_000_000;

/**
 * What a board says of itself for an audit (src/device/audit.sh): one of rtkit's as root, another system what its user may
 * see. Changes nothing there.
 */
export async function askAudit(connection: Connection): Promise<string> {
  const ours = await connection.run(`${RTNODECTL} audit`, { timeoutMs: ANSWER_MS });
  if (ours.status === 0) return ours.stdout.slice(0, LONGEST);
  const probe = await readFile(join(rtkitRoot, "src", "device", "audit.sh"));
  const stdin = Readable.from([probe], { objectMode: false });
  const { stdout } = await connection.run("sh -s", { stdin, timeoutMs: ANSWER_MS });
  return stdout.slice(0, LONGEST);
}

/** What {@link askAudit} brought cannot be read. */
export function auditAnswer(connection: Connection): RtkitError {
  return new RtkitError(
    "RTK_DOCTOR_ANSWER",
    `${formatAddress(connection.address)} does not run the shell script that asks it how it is`,
    { hint: "its user needs a POSIX shell, and start-up files that print nothing" },
  );
}

/**
 * Has a board of rtkit's put settings back (src/device/mend.sh), which are words of its vocabulary. Returns what it complains
 * of, line by line; whether a setting is as it should be, another audit says.
 */
export async function mend(connection: Connection, settings: readonly string[]): Promise<readonly string[]> {
  const odd = settings.find((setting) => !/^[a-z_]+$/.test(setting));
  if (odd !== undefined) throw new Error(`${odd} is no setting`);
  const { status, stderr } = await connection.run(`${RTNODECTL} mend ${settings.join(" ")}`, { timeoutMs: ANSWER_MS });
  if (status === 0) return [];
  return printable(stderr)
    .split("\n")
    .map((line) => line.replace(/^rtnodectl: /, "").trim())
    .filter((line) => line !== "");
}
