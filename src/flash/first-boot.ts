import { pbkdf2Sync } from "node:crypto";
import type { FirstBootKey } from "../config/first-boot.ts";
import type { KeyPair } from "../core/ssh-keys.ts";

/** What a card's first boot is told, checked. */
export interface FirstBootSettings {
  readonly hostname?: string;
  /** A zone of the IANA database: `Europe/Berlin`. */
  readonly timezone?: string;
  /** Lines for the authorized_keys of the board's user, added to the image's own. */
  readonly sshKeys: readonly string[];
  readonly staticAddress?: StaticAddress;
  readonly wifi?: Wifi;
  /** The card's ssh host key; secret. */
  readonly hostKey?: KeyPair;
}

/** A fixed IPv4 address. */
export interface StaticAddress {
  readonly address: string;
  /** Bits of the network's part. */
  readonly prefix: number;
  readonly gateway?: string;
  readonly dns: readonly string[];
}

/** A Wi-Fi network with WPA2 (or WPA3 in its transition mode). */
export interface Wifi {
  readonly ssid: string;
  /** ISO 3166-1: which channels the radio may use. */
  readonly country: string;
  /** {@link wifiPsk}; secret. */
  readonly psk: string;
}

/** The settings as lines of the file on the card, see docs/flash.md. */
export function firstBootLines(settings: FirstBootSettings): readonly (readonly [FirstBootKey, string])[] {
  const { hostname, timezone, sshKeys, staticAddress, wifi, hostKey } = settings;
  const lines: [FirstBootKey, string][] = [];
  if (hostname !== undefined) lines.push(["hostname", hostname]);
  if (timezone !== undefined) lines.push(["timezone", timezone]);
  for (const key of sshKeys) lines.push(["ssh_key", key]);
  if (hostKey !== undefined) lines.push(["ssh_host_key", oneLine(hostKey.privateKey)]);
  if (staticAddress !== undefined) {
    lines.push(["static_ip", `${staticAddress.address}/${staticAddress.prefix}`]);
    if (staticAddress.gateway !== undefined) lines.push(["gateway", staticAddress.gateway]);
    for (const server of staticAddress.dns) lines.push(["dns", server]);
  }
  if (wifi !== undefined) {
    lines.push(["wifi_ssid", wifi.ssid], ["wifi_country", wifi.country], ["wifi_psk", wifi.psk]);
  }
  return lines;
}

/** Whether anything is set that the user asked for: a host key is made without being asked. */
export function isAsked(settings: FirstBootSettings): boolean {
  return firstBootLines(settings).some(([key]) => key !== "ssh_host_key");
}

/**
 * The key of a WPA2 network, 64 hex digits: PBKDF2 of the pass-phrase with the network's name as salt, SHA-1, 4096 rounds,
 * 256 bits (IEEE 802.11-2016, J.4.1). The pass-phrase cannot be had back from it; it opens this network, and no other door
 * that has the same pass-phrase.
 */
export function wifiPsk(ssid: string, passphrase: string): string {
  return pbkdf2Sync(passphrase, ssid, 4096, 32, "sha1").toString("hex");
}

/** A private key's PEM (RFC 7468) without its first and last line and line ends. */
function oneLine(pem: string): string {
  return pem
    .split("\n")
    .filter((line) => !line.startsWith("-----"))
    .join("");
}
