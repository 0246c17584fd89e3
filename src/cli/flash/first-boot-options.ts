import { readFile } from "node:fs/promises";
import type { Command } from "commander";
import { errnoCode, RtkitErrors, RtkitError, throwIfAny, usageError } from "../../core/errors.ts";
import type { KeyPair } from "../../core/ssh-keys.ts";
import { wifiPsk, type FirstBootSettings, type Wifi } from "../../flash/first-boot.ts";
import {
  checkPassphrase,
  parseCountry,
  parseHostname,
  parseSshKeys,
  parseSsid,
  parseStaticAddress,
  parseTimezone,
} from "../../flash/first-boot-values.ts";

/** The options of {@link withFirstBootOptions}, as commander gives them. */
export interface FirstBootOptions {
  readonly hostname?: string;
  readonly sshKey?: readonly string[];
  readonly wifi?: string;
  readonly wifiCountry?: string;
  readonly wifiPassphraseFile?: string;
  readonly staticIp?: string;
  readonly timezone?: string;
  /** False with `--no-host-key`. */
  readonly hostKey: boolean;
}

/** What {@link readSettings} needs from outside. */
export interface SettingsIo {
  /** How many cards get the settings: several must not have the same host key. */
  readonly cards: number;
  /** Asks on the terminal without echo; undefined where there is none. */
  readonly askSecret: ((question: string) => Promise<string>) | undefined;
}

/** Adds the settings for the first boot to `rtkit flash`. */
export function withFirstBootOptions(command: Command): Command {
  return command
    .option("--hostname <name>", "the board's name in place of the image's: it answers to NAME.local")
    .option(
      "--ssh-key <file>",
      "a public key that may log in, besides the image's own; repeatable",
      (file: string, files: readonly string[] = []) => [...files, file],
    )
    .option("--wifi <ssid>", "a Wi-Fi network to join; its pass-phrase is asked for on the terminal")
    .option("--wifi-country <code>", "the country the board is in, two letters: which channels are allowed")
    .option("--wifi-passphrase-file <file>", "read the pass-phrase from this file (/dev/stdin, /dev/fd/3, …)")
    .option("--static-ip <address>", "ADDR/PREFIX[,GATEWAY[,DNS]]: a fixed address (Wi-Fi's, if that is set)")
    .option("--timezone <zone>", "e.g. Europe/Berlin; logs and clocks on the board show its time")
    .option("--no-host-key", "let the board make its ssh host key by itself: the first login will ask about it");
}

/**
 * Turns options into settings: reads key files, gets the Wi-Fi pass-phrase, and makes a host key when one card is flashed.
 * Undefined when nothing is set. Throws RTK_FLASH_SETTING, RTK_FLASH_SSH_KEY and RTK_FLASH_PASSPHRASE, all at once.
 */
export async function readSettings(
  options: FirstBootOptions,
  { cards, askSecret }: SettingsIo,
): Promise<FirstBootSettings | undefined> {
  const errors: RtkitError[] = [];
  const hostname = tryTo(errors, () => optional(options.hostname, parseHostname));
  const timezone = tryTo(errors, () => optional(options.timezone, parseTimezone));
  const staticAddress = tryTo(errors, () => optional(options.staticIp, parseStaticAddress));
  const network = tryTo(errors, () => wifiNetwork(options));
  const sshKeys: string[] = [];
  for (const file of options.sshKey ?? []) {
    const text = await readFile(file, "utf8").catch((error: unknown) => unreadable("RTK_FLASH_SSH_KEY", file, error));
    sshKeys.push(...((typeof text === "string" ? tryTo(errors, () => parseSshKeys(file, text)) : undefined) ?? []));
    if (text instanceof RtkitError) errors.push(text);
  }
  for (const [option, value] of [
    ["--hostname", hostname],
    ["--static-ip", staticAddress],
  ] as const) {
    if (cards === 1 || value === undefined) continue;
    errors.push(
      usageError("RTK_FLASH_SETTING", `${option} is for one board, and ${cards} cards are written`, {
        hint: "write them one after the other",
      }),
    );
  }
  throwIfAny(errors);
  // The last of all: nobody types a pass-phrase to be told of another option's mistake.
  const wifi = network === undefined ? undefined : await withPassphrase(network, options.wifiPassphraseFile, askSecret);
  const hostKey = options.hostKey && cards === 1 ? await newHostKey() : undefined;
  const settings: FirstBootSettings = {
    sshKeys: [...new Set(sshKeys)],
    ...(hostname === undefined ? {} : { hostname }),
    ...(timezone === undefined ? {} : { timezone }),
    ...(staticAddress === undefined ? {} : { staticAddress }),
    ...(wifi === undefined ? {} : { wifi }),
    ...(hostKey === undefined ? {} : { hostKey }),
  };
  return Object.keys(settings).length === 1 && sshKeys.length === 0 ? undefined : settings;
}

/** Loaded only where it is needed: the library takes as long to load as all the rest. */
async function newHostKey(): Promise<KeyPair> {
  const { makeKeyPair } = await import("../../core/ssh-keys.ts");
  return makeKeyPair();
}

/** A network without its key. */
function wifiNetwork(options: FirstBootOptions): Omit<Wifi, "psk"> | undefined {
  const { wifi, wifiCountry, wifiPassphraseFile } = options;
  if (wifi !== undefined) return { ssid: parseSsid(wifi), country: parseCountry(wifiCountry) };
  const alone = wifiCountry !== undefined ? "--wifi-country" : "--wifi-passphrase-file";
  if (wifiCountry === undefined && wifiPassphraseFile === undefined) return undefined;
  throw usageError("RTK_FLASH_SETTING", `${alone} is given without --wifi`, { hint: "name the network with --wifi" });
}

async function withPassphrase(
  network: Omit<Wifi, "psk">,
  file: string | undefined,
  askSecret: SettingsIo["askSecret"],
): Promise<Wifi> {
  const passphrase = await getPassphrase(network.ssid, file, askSecret);
  return { ...network, psk: wifiPsk(network.ssid, checkPassphrase(passphrase)) };
}

async function getPassphrase(
  ssid: string,
  file: string | undefined,
  askSecret: SettingsIo["askSecret"],
): Promise<string> {
  if (file !== undefined) {
    const text = await readFile(file, "utf8").catch((error: unknown) =>
      unreadable("RTK_FLASH_PASSPHRASE", file, error),
    );
    if (text instanceof RtkitError) throw text;
    return text.replace(/\r?\n$/, "");
  }
  if (askSecret !== undefined) return askSecret(`Pass-phrase of ${ssid}: `);
  throw usageError("RTK_FLASH_PASSPHRASE", "--wifi needs a pass-phrase, and there is no terminal to ask on", {
    hint: "give it with --wifi-passphrase-file /dev/stdin or another file",
  });
}

function unreadable(code: string, file: string, error: unknown): RtkitError {
  const why = errnoCode(error);
  if (why === undefined) throw error;
  const what = why === "ENOENT" ? `there is no file ${file}` : `${file} cannot be read (${why})`;
  return usageError(code, what, { hint: "name a file that can be read", cause: error });
}

function optional<T>(asked: string | undefined, parse: (asked: string) => T): T | undefined {
  return asked === undefined ? undefined : parse(asked);
}

function tryTo<T>(errors: RtkitError[], parse: () => T): T | undefined {
  try {
    return parse();
  } catch (error) {
    if (error instanceof RtkitErrors) errors.push(...error.errors);
    else if (error instanceof RtkitError) errors.push(error);
    else throw error;
    return undefined;
  }
}
