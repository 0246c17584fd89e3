import { usageError } from "../core/errors.ts";
import { releaseTime, type BoardLock } from "./lock.ts";

/**
 * The time given to every file that a build makes, in seconds since 1970 (https://reproducible-builds.org/specs/source-date-epoch/):
 * $SOURCE_DATE_EPOCH, else the date of the archive's newest Release file in the lock, so that it follows from the inputs.
 * Throws RTK_SOURCE_DATE.
 */
export function sourceDateEpoch(lock: BoardLock, env: NodeJS.ProcessEnv = process.env): number {
  const given = env["SOURCE_DATE_EPOCH"];
  if (given === undefined || given === "") return releaseTime(lock);
  if (/^\d{1,11}$/.test(given)) return Number(given);
  throw usageError("RTK_SOURCE_DATE", `SOURCE_DATE_EPOCH is not a number of seconds: ${given}`, {
    hint: "unset it: the date of the archive's state in rtkit.lock is taken then",
  });
}
