import { Command } from "commander";
import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import {
  readSettings,
  withFirstBootOptions,
  type FirstBootOptions,
} from "../../../src/cli/flash/first-boot-options.ts";
import { makeKeyPair } from "../../../src/core/ssh-keys.ts";
import type { FirstBootSettings } from "../../../src/flash/first-boot.ts";
import { scratchDir } from "../../scratch.ts";

let dir: string;
beforeEach(() => {
  dir = scratchDir("rtkit-settings-");
});

function optionsOf(args: readonly string[]): FirstBootOptions {
  return withFirstBootOptions(new Command("flash")).parse(args, { from: "user" }).opts<FirstBootOptions>();
}

async function settingsOf(args: readonly string[], typed?: string): Promise<FirstBootSettings | undefined> {
  const askSecret = typed === undefined ? undefined : async (): Promise<string> => typed;
  return readSettings(optionsOf(args), { cards: 1, askSecret });
}

const WIFI = ["--wifi", "IEEE", "--wifi-country", "de", "--no-host-key"];
const PSK = "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e";

describe("the settings of a flash", () => {
  it("are a new host key when nothing is asked", async () => {
    const [one, two] = [await settingsOf([]), await settingsOf([])];
    expect(one?.hostKey?.publicKey).toMatch(/^ssh-ed25519 /);
    expect(one?.hostKey?.publicKey).not.toBe(two?.hostKey?.publicKey);
  });

  it("are none with --no-host-key, and for several cards", async () => {
    expect(await settingsOf(["--no-host-key"])).toBeUndefined();
    expect(await readSettings(optionsOf([]), { cards: 2, askSecret: undefined })).toBeUndefined();
    // Two boards of one name or address would take each other's place.
    for (const option of [
      ["--hostname", "arm"],
      ["--static-ip", "192.168.1.2/24"],
    ]) {
      await expect(readSettings(optionsOf(option), { cards: 2, askSecret: undefined })).rejects.toMatchObject({
        code: "RTK_FLASH_SETTING",
        message: expect.stringContaining("is for one board"),
      });
    }
  });

  it("are what the options say", async () => {
    const file = join(dir, "me.pub");
    const [mine, yours] = [makeKeyPair().publicKey, makeKeyPair().publicKey];
    await writeFile(file, `${mine} me\n`);
    await writeFile(join(dir, "you.pub"), `${yours} you\n`);
    const keys = ["--ssh-key", file, "--ssh-key", join(dir, "you.pub"), "--ssh-key", file];
    const rest = ["--hostname", "arm-2", "--timezone", "UTC", "--static-ip", "10.0.0.2/24", "--no-host-key"];
    expect(await settingsOf([...keys, ...rest])).toEqual({
      hostname: "arm-2",
      timezone: "UTC",
      sshKeys: [`${mine} me`, `${yours} you`],
      staticAddress: { address: "10.0.0.2", prefix: 24, dns: [] },
    });
  });

  it("hold the key of a Wi-Fi network, not the pass-phrase that was typed", async () => {
    expect(await settingsOf(WIFI, "password")).toEqual({
      sshKeys: [],
      wifi: { ssid: "IEEE", country: "DE", psk: PSK },
    });
  });

  it("take the pass-phrase from a file where there is no terminal", async () => {
    const file = join(dir, "passphrase");
    await writeFile(file, "password\n");
    expect((await settingsOf([...WIFI, "--wifi-passphrase-file", file]))?.wifi?.psk).toBe(PSK);
    await expect(settingsOf(WIFI)).rejects.toMatchObject({ code: "RTK_FLASH_PASSPHRASE", exitStatus: 2 });
    const missing = settingsOf([...WIFI, "--wifi-passphrase-file", join(dir, "none")]);
    await expect(missing).rejects.toMatchObject({ code: "RTK_FLASH_PASSPHRASE", exitStatus: 2 });
  });

  it("tell all mistakes at once, before a pass-phrase is asked for", async () => {
    const asked = settingsOf(["--hostname", "A", "--timezone", "B", "--ssh-key", join(dir, "no.pub"), ...WIFI], "x");
    await expect(asked).rejects.toMatchObject({
      errors: [
        expect.objectContaining({ code: "RTK_FLASH_SETTING" }),
        expect.objectContaining({ code: "RTK_FLASH_SETTING" }),
        expect.objectContaining({ code: "RTK_FLASH_SSH_KEY", message: expect.stringContaining("no.pub") }),
      ],
    });
  });

  it("refuse what belongs to --wifi without it", async () => {
    for (const option of ["--wifi-country", "--wifi-passphrase-file"]) {
      await expect(settingsOf([option, "DE"])).rejects.toMatchObject({ code: "RTK_FLASH_SETTING" });
    }
  });
});
