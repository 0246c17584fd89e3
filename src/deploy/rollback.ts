import { RtkitError } from "../core/errors.ts";
import { formatAddress } from "./address.ts";
import { askReleases, askStatus, rollback, type BoardStatus } from "./rtnodectl.ts";
import type { Connection } from "./transport.ts";

/**
 * Makes a board go back to its previous release, or to the one whose id begins with `release`, and says how it is then.
 * Throws RTK_DEPLOY_RELEASE when it has none or several of them, and as ./rtnodectl.ts.
 */
export async function rollBack(connection: Connection, release: string | undefined): Promise<BoardStatus> {
  await rollback(connection, release === undefined ? undefined : await findRelease(connection, release));
  return askStatus(connection);
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
