import { RtkitError } from "../core/errors.ts";
import { formatAddress } from "./address.ts";
import { whoDeploys } from "./deploy-facts.ts";
import type { DeployRecord, SealedRecord } from "./record.ts";
import { askRecord, askReleases, askStatus, rollback, type BoardStatus } from "./rtnodectl.ts";
import { checkSeal } from "./seal.ts";
import type { Sign } from "./sign.ts";
import type { Connection } from "./transport.ts";

/** Seconds that a clock may be behind the board's newest record all the same: two orders, or two people, in a moment. */
const CLOCKS_DIFFER_S = 60;

/** How a board is made to go back. */
export interface RollbackOptions {
  /** The beginning of a release's id; undefined for the previous one. */
  readonly release: string | undefined;
  /** Now, seconds since 1970. */
  readonly time: number;
  /** Called only for boards that take nothing unsigned. */
  readonly sign: Sign;
}

/**
 * Makes a board go back to its previous release, or to the one whose id begins with `release`, with a new record of it, and
 * says how it is then. Throws RTK_DEPLOY_RELEASE when it has none or several of them, and as {@link checkSeal} and
 * ./rtnodectl.ts.
 */
export async function rollBack(connection: Connection, options: RollbackOptions): Promise<BoardStatus> {
  const { release } = options;
  const status = await askStatus(connection);
  const named = release === undefined ? undefined : await findRelease(connection, release);
  const id = named ?? status.previous;
  // Back from a release that nobody confirmed the board goes by itself. Of what else is wrong it says its own words.
  const goesAnyway = status.pending !== null || id === null || id === status.release;
  const sealed =
    goesAnyway || status.signed === undefined ? undefined : await sealAnew(connection, status, id, options);
  await rollback(connection, sealed === undefined ? named : sealed.record.release, sealed);
  return askStatus(connection);
}

/** A record of an older release: its sources are what they were; who, from where and when are of now. */
async function sealAnew(
  connection: Connection,
  status: BoardStatus,
  id: string,
  { time, sign }: RollbackOptions,
): Promise<SealedRecord> {
  const { git, description, dirty } = (await askRecord(connection, id)) ?? {};
  const now = timeAfter(status.newestRecord ?? 0, time);
  const record: DeployRecord = { release: id, time: now, git, description, dirty, ...whoDeploys() };
  const sealed = { record, signature: status.signed === true ? await sign(record) : null };
  checkSeal(connection.address, status, sealed);
  return sealed;
}

/** Now; or just after the newest record, when that is of this moment. */
function timeAfter(newest: number, now: number): number {
  return newest >= now && newest - now < CLOCKS_DIFFER_S ? newest + 1 : now;
}

async function findRelease(connection: Connection, beginning: string): Promise<string> {
  const releases = await askReleases(connection);
  const [found, ...others] = releases.filter(({ id }) => id.startsWith(beginning));
  if (found !== undefined && others.length === 0) return found.id;
  const many = found === undefined ? "has no release" : "has several releases";
  throw new RtkitError("RTK_DEPLOY_RELEASE", `${formatAddress(connection.address)} ${many} ${beginning}…`, {
    hint: `it has ${releases.map(({ id }) => id.slice(0, 12)).join(", ")}`,
  });
}
