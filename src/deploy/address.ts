import { isIPv6 } from "node:net";
import { usageError } from "../core/errors.ts";

/** Where a board is reached over ssh. */
export interface Address {
  /** A name, which ssh's configuration may know more of, or an address. */
  readonly host: string;
  /** Null for what ssh's configuration says, else 22. */
  readonly port: number | null;
  readonly user: string;
}

/** The image's only user. */
const DEFAULT_USER = "robot";

const USER = /^[A-Za-z_][A-Za-z0-9_.-]*$/;
/** Neither an option of ssh nor anything that a shell or ssh's configuration would read as more than a name. */
const NAME = /^[A-Za-z0-9_][A-Za-z0-9_.-]*$/;
/** What isIPv6 takes for a zone (RFC 4007, 11.2) may hold more than interfaces are called. */
const ZONE = /^[^%]*(?:%[A-Za-z0-9_.-]+)?$/;

/** Reads `[user@]host[:port]`; an IPv6 address with a port stands in brackets. Throws RTK_DEPLOY_HOST. */
export function parseAddress(text: string): Address {
  const at = text.lastIndexOf("@");
  const user = at === -1 ? DEFAULT_USER : text.slice(0, at);
  const place = text.slice(at + 1);
  const [, bracketed, plain, digits] = /^(?:\[([^\]]*)\]|([^:]*))(?::(\d{1,5}))?$/.exec(place) ?? [];
  const host = bracketed ?? plain ?? place;
  const port = digits === undefined ? null : Number(digits);
  const isAddress = isIPv6(host) && ZONE.test(host);
  const isHost = isAddress || (bracketed === undefined && NAME.test(host));
  if (isHost && USER.test(user) && (port === null || (port > 0 && port < 65_536))) return { host, port, user };
  throw usageError("RTK_DEPLOY_HOST", `--host ${text} is not [user@]host[:port]`, {
    hint: "say e.g. --host robot@arm.local, --host 10.0.0.11:2222 or --host [fe80::1%eth0]:22",
  });
}

/** A board as people and results name it: its host, with a port that is not ssh's own. */
export function formatAddress({ host, port }: Address): string {
  if (port === null || port === 22) return host;
  return host.includes(":") ? `[${host}]:${port}` : `${host}:${port}`;
}
