import { RtkitError } from "../core/errors.ts";
import { formatAddress } from "./address.ts";
import { whoDeploys } from "./deploy-facts.ts";
import type { DeployRecord, SealedRecord } from "./record.ts";
import { askRecord, askReleases, askStatus, rollback, type BoardStatus } from "./rtnodectl.ts";
import { sealFor } from "./seal.ts";
import type { Sign } from "./sign.ts";
import type { Connection } from "./transport.ts";

/** How a board is made to go back. */
export interface RollbackOptions {
  /** The beginning of a release's id; undefined for the previous one. */
  readonly release: string | undefined;
  /** Now, seconds since 1970. */
  readonly time: number;
  /** Called only for boards that take nothing unsigned. */
  readonly sign: Sign;
  /** Change nothing, and say how the board would be. */
  readonly dryRun: boolean;
}

/**
 * Makes a board go back to its previous release, or to the one whose id begins with `release`, with a new record of it, and
 * says how it is then. Throws RTK_DEPLOY_RELEASE when it has none or several of them, or takes only signed ones and `release` is
 * not whole; and as {@link sealFor} and
 * ./rtnodectl.ts.
 */
export async function rollBack(connection: Connection, options: RollbackOptions): Promise<BoardStatus> {
  const { release } = options;
  const status = await askStatus(connection);
  const named = release === undefined ? undefined : await findRelease(connection, release);
  const id = named ?? status.previous;
  // Back from a release that nobody confirmed the board goes by itself. Of what else is wrong it says its own words.
  const goesAnyway = status.pending !== null || id === null || id === status.release;
  if (!goesAnyway && status.signed === true && named !== undefined && named !== release) {
    throw notWhole(connection, named);
  }
  if (options.dryRun) {
    if (id === null) throw nothingBefore(connection);
    if (id === status.release) throw isActive(connection, id);
    if (status.pending !== null && id !== status.previous) throw isPending(connection, status.pending);
    return { ...status, release: id, previous: status.release };
  }
  let sealed: SealedRecord | undefined;
  if (!goesAnyway && status.signed !== undefined) {
    const record = await recordAnew(connection, id, options.time);
    const sign: Sign = status.signed ? options.sign : async () => null;
    sealed = await sealFor(connection.address, status, { record, sign });
  }
  await rollback(connection, sealed === undefined ? named : sealed.record.release, sealed);
  return askStatus(connection);
}

/** What is known of the sources of an older release; who, from where and when are of now. */
async function recordAnew(connection: Connection, id: string, time: number): Promise<DeployRecord> {
  const { git, description, dirty } = (await askRecord(connection, id)) ?? {};
  return { release: id, time, git, description, dirty, ...whoDeploys() };
}

/** A board could make a release whose id begins so, and have it signed. */
function notWhole({ address }: Connection, id: string): RtkitError {
  const what = `${formatAddress(address)} takes only signed releases: which one is signed must not be the board's choice`;
  return new RtkitError("RTK_DEPLOY_RELEASE", what, {
    hint: `name it by all 64 digits, as you wrote them down when it was deployed; the board means ${id}`,
  });
}

function nothingBefore({ address }: Connection): RtkitError {
  return new RtkitError("RTK_DEPLOY_RELEASE", `${formatAddress(address)} had no release before this one`, {
    hint: "name one: `rtkit status` shows those that it has",
  });
}

function isActive({ address }: Connection, id: string): RtkitError {
  return new RtkitError("RTK_DEPLOY_RELEASE", `${formatAddress(address)} has ${id.slice(0, 12)} already`, {
    hint: "name another one: `rtkit status` shows those that it has",
  });
}

function isPending({ address }: Connection, pending: string): RtkitError {
  const what = `${formatAddress(address)} goes back only to the release before while ${pending.slice(0, 12)} is not confirmed`;
  return new RtkitError("RTK_DEPLOY_RELEASE", what, { hint: "name no release, or wait until that deploy is done" });
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
