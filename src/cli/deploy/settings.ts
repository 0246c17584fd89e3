import { usageError } from "../../core/errors.ts";

/** An hour: whoever waits longer for a robot does not watch it. The board counts at most four digits of seconds. */
const LONGEST_S = 3600;

/** Seconds of `--timeout`. Throws RTK_DEPLOY_TIMEOUT_VALUE. */
export function healthTimeout(asked: string): number {
  const seconds = Number(asked);
  if (seconds > 0 && seconds <= LONGEST_S) return seconds;
  throw usageError("RTK_DEPLOY_TIMEOUT_VALUE", `--timeout ${asked} is not a number of seconds up to ${LONGEST_S}`, {
    hint: "say e.g. --timeout 60",
  });
}

/** Boards that get it first, of `--canary`. Throws RTK_DEPLOY_CANARY. */
export function canaryBoards(asked: string): number {
  const boards = Number(asked);
  if (/^\d+$/.test(asked) && Number.isSafeInteger(boards)) return boards;
  throw usageError("RTK_DEPLOY_CANARY", `--canary ${asked} is not a number of boards`, { hint: "say e.g. --canary 1" });
}

/**
 * Failures of `--max-failures`. By default half of the boards at once: with more, it is the release and not the boards.
 * Throws RTK_DEPLOY_MAX_FAILURES.
 */
export function failuresAllowed(asked: string | undefined, concurrency: number): number {
  if (asked === undefined) return Math.floor(concurrency / 2);
  const boards = Number(asked);
  if (/^\d+$/.test(asked) && Number.isSafeInteger(boards)) return boards;
  throw usageError("RTK_DEPLOY_MAX_FAILURES", `--max-failures ${asked} is not a number of boards`, {
    hint: "say e.g. --max-failures 3",
  });
}

/** Boards at once, of `--concurrency`. Throws RTK_DEPLOY_CONCURRENCY. */
export function boardsAtOnce(asked: string): number {
  const boards = Number(asked);
  if (Number.isInteger(boards) && boards >= 1) return boards;
  throw usageError("RTK_DEPLOY_CONCURRENCY", `--concurrency ${asked} is not a number of boards`, {
    hint: "say e.g. --concurrency 10",
  });
}
