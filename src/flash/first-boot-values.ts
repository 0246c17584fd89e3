import { isIPv4 } from "node:net";
import { readPublicKeys } from "../config/public-keys.ts";
import { hostLabel } from "../config/values.ts";
import { usageError, type RtkitError } from "../core/errors.ts";
import type { StaticAddress } from "./first-boot.ts";
import { findTimeZone } from "./time-zones.ts";

/** The name of `--hostname`. Throws RTK_FLASH_SETTING. */
export function parseHostname(asked: string): string {
  const isName = hostLabel("arm").safeParse(asked).success;
  // RFC 6761 6.3: localhost means every machine itself.
  if (isName && asked !== "localhost") return asked;
  throw wrong(
    `--hostname ${asked} is not a name for a board`,
    "use lower-case letters, digits and inner hyphens: arm-2",
  );
}

/** The zone of `--timezone`, as the board's tzdata writes it. Throws RTK_FLASH_SETTING. */
export function parseTimezone(asked: string): string {
  const zone = findTimeZone(asked);
  if (zone !== undefined) return zone;
  throw wrong(`--timezone ${asked} is not a time zone`, "name an area and a city: Europe/Berlin, or UTC");
}

/** `ADDR/PREFIX[,GATEWAY[,DNS…]]` of `--static-ip`. Throws RTK_FLASH_SETTING. */
export function parseStaticAddress(asked: string): StaticAddress {
  const [first = "", gateway, ...dns] = asked.split(",");
  const [address = "", bits = ""] = first.split("/");
  const prefix = Number(bits);
  const example = "say e.g. --static-ip 192.168.1.20/24,192.168.1.1,192.168.1.1 (address, gateway, name server)";
  if (first !== `${address}/${bits}` || !isIPv4(address) || !/^\d{1,2}$/.test(bits) || prefix < 1 || prefix > 32) {
    throw wrong(`--static-ip ${asked} does not begin with an IPv4 address and its prefix`, example);
  }
  const bad = [...(gateway === undefined ? [] : [gateway]), ...dns].find((part) => !isIPv4(part));
  if (bad !== undefined) throw wrong(`--static-ip ${asked}: "${bad}" is not an IPv4 address`, example);
  const mask = prefix === 32 ? 0xffffffff : ~(0xffffffff >>> prefix) >>> 0;
  const host = (number(address) & ~mask) >>> 0;
  if (prefix < 31 && (host === 0 || host === ~mask >>> 0)) {
    throw wrong(`--static-ip ${asked}: ${address} is the network's own or its broadcast address`, example);
  }
  if (gateway !== undefined && ((number(gateway) ^ number(address)) & mask) !== 0) {
    throw wrong(`--static-ip ${asked}: the gateway ${gateway} is not in the network ${address}/${prefix}`, example);
  }
  return { address, prefix, ...(gateway === undefined ? {} : { gateway }), dns };
}

/** The network's name of `--wifi`: at most 32 bytes (IEEE 802.11-2016, 9.4.2.2). Throws RTK_FLASH_SETTING. */
export function parseSsid(asked: string): string {
  const bytes = Buffer.byteLength(asked);
  // oxlint-disable-next-line no-control-regex -- a line of a file holds none
  if (bytes >= 1 && bytes <= 32 && asked === asked.trim() && !/[\0-\x1f\x7f]/.test(asked)) return asked;
  throw wrong(`--wifi ${JSON.stringify(asked)} is not the name of a network`, "a name has 1 to 32 bytes");
}

/** The two letters of `--wifi-country`. Throws RTK_FLASH_SETTING. */
export function parseCountry(asked: string | undefined): string {
  const country = asked?.toUpperCase();
  if (country !== undefined && /^[A-Z]{2}$/.test(country)) return country;
  const what = asked === undefined ? "--wifi needs --wifi-country" : `--wifi-country ${asked} is not a country`;
  throw wrong(
    what,
    "give the two letters of the country that the board is in: the rules of its channels follow from it",
  );
}

/** A pass-phrase: 8 to 63 printable characters of ASCII (IEEE 802.11-2016, J.4.1). Throws RTK_FLASH_SETTING, without it. */
export function checkPassphrase(given: string): string {
  if (/^[ -~]{8,63}$/.test(given)) return given;
  throw wrong(
    `the pass-phrase for --wifi has ${given.length} characters, or other than ASCII`,
    "WPA2 takes 8 to 63 characters of ASCII",
  );
}

/** The public keys in a file of `--ssh-key`. Throws RTK_FLASH_SSH_KEY. */
export function parseSshKeys(file: string, text: string): readonly string[] {
  const read = readPublicKeys(text);
  if (read.kind === "keys") return read.keys;
  if (read.kind === "private") {
    throw usageError("RTK_FLASH_SSH_KEY", `--ssh-key ${file} holds a PRIVATE key: it must never leave your machine`, {
      hint: "name the public key, which ends in .pub",
    });
  }
  const line = read.kind === "wrong" && read.line !== null ? ` (line ${read.line})` : "";
  const what = read.kind === "none" ? "holds no key" : `is not a public key that OpenSSH accepts${line}`;
  throw usageError("RTK_FLASH_SSH_KEY", `--ssh-key ${file} ${what}`, {
    hint: "name a public key, which ends in .pub: ~/.ssh/id_ed25519.pub",
  });
}

function number(address: string): number {
  return Buffer.from(address.split(".").map(Number)).readUInt32BE(0);
}

function wrong(message: string, hint: string): RtkitError {
  return usageError("RTK_FLASH_SETTING", message, { hint });
}
