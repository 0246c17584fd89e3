import { beforeAll, describe, expect, it } from "vitest";
import { FIRST_BOOT_FILE, FIRST_BOOT_KEYS, firstBootFile } from "../../src/config/first-boot.ts";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { findFatFile } from "../../src/flash/fat-file.ts";
import type { FirstBootSettings } from "../../src/flash/first-boot.ts";
import { imageSettings, settingsPatch } from "../../src/flash/settings-patch.ts";
import { scratchDir } from "../scratch.ts";
import { makeFatImage, onDisk } from "./fat-images.ts";

let dir: string;
beforeAll(() => {
  dir = scratchDir("rtkit-patch-");
});

async function imageWith(name: string, text: string): Promise<Buffer> {
  const files = [
    { name: "vmlinuz", content: Buffer.alloc(5000, 1) },
    { name, content: Buffer.from(text) },
  ];
  return onDisk(dir, "dos", await makeFatImage(dir, { bits: 16, clusterSectors: 2, files }));
}

function withoutWifi(): string {
  return firstBootFile({ hostname: "arm", takes: FIRST_BOOT_KEYS.filter((key) => !key.startsWith("wifi")) });
}

function flashed(image: Buffer, settings: FirstBootSettings): Buffer {
  const card = Buffer.from(image);
  for (const { offset, bytes } of settingsPatch(image, settings)) bytes.copy(card, offset);
  return card;
}

function settingsOn(card: Buffer): string[] {
  const found = findFatFile(card, FIRST_BOOT_FILE);
  if ("missing" in found) throw new Error(found.missing);
  const text = Buffer.concat(found.ranges.map(({ offset, length }) => card.subarray(offset, offset + length)));
  return text
    .toString()
    .split("\n")
    .filter((line) => line.trim() !== "" && !line.startsWith("#"));
}

const NONE = expect.objectContaining({ code: "RTK_FLASH_NO_SETTINGS", exitStatus: 1 });
const hostname: FirstBootSettings = { hostname: "arm-2", sshKeys: [] };

describe("settingsPatch", () => {
  it("puts settings into the image's file, and changes nothing else", async () => {
    const image = await imageWith(FIRST_BOOT_FILE, withoutWifi());
    expect(imageSettings(image)?.hostname).toBe("arm");
    const card = flashed(image, hostname);
    expect(settingsOn(card)).toEqual(["hostname=arm-2"]);
    const found = findFatFile(image, FIRST_BOOT_FILE);
    for (const { offset, length } of "ranges" in found ? found.ranges : []) {
      image.copy(card, offset, offset, offset + length);
    }
    expect(card.equals(image)).toBe(true);
  });

  it("replaces the settings of an image that has some", async () => {
    const image = await imageWith(FIRST_BOOT_FILE, withoutWifi());
    const other = { sshKeys: [], timezone: "UTC" };
    expect(settingsOn(flashed(flashed(image, hostname), other))).toEqual(["timezone=UTC"]);
  });

  it("is nothing when nothing is set", async () => {
    expect(settingsPatch(Buffer.alloc(4096), { sshKeys: [] })).toEqual([]);
  });

  it("leaves out a host key that nobody asked for on images of others", () => {
    const hostKey = makeKeyPair();
    expect(settingsPatch(Buffer.alloc(4096), { sshKeys: [], hostKey })).toEqual([]);
    expect(() => settingsPatch(Buffer.alloc(4096), { ...hostname, hostKey })).toThrow(NONE);
  });

  it("refuses Wi-Fi on an image that cannot do it, and says what is missing", async () => {
    const image = await imageWith(FIRST_BOOT_FILE, withoutWifi());
    const wifi = { ssid: "workshop", country: "DE", psk: "0".repeat(64) };
    expect(() => settingsPatch(image, { ...hostname, wifi })).toThrow(NONE);
    expect(() => settingsPatch(image, { ...hostname, wifi })).toThrow(
      expect.objectContaining({ hint: expect.stringContaining("wpasupplicant") }),
    );
  });

  it("refuses what an older image does not take", async () => {
    const image = await imageWith(FIRST_BOOT_FILE, firstBootFile({ hostname: "arm", takes: ["ssh_key"] }));
    expect(() => settingsPatch(image, hostname)).toThrow("--hostname");
  });

  it("refuses images that have no such file, or another one of this name", async () => {
    const other = await imageWith("config.txt", withoutWifi());
    expect(() => settingsPatch(other, hostname)).toThrow("has no firstboot.txt");
    const strange = await imageWith(FIRST_BOOT_FILE, "hostname=x\n");
    expect(() => settingsPatch(strange, hostname)).toThrow("not one of rtkit's");
    expect(() => settingsPatch(Buffer.alloc(4096), hostname)).toThrow("no FAT boot partition");
    const image = await imageWith(FIRST_BOOT_FILE, withoutWifi());
    expect(() => settingsPatch(image.subarray(0, 1024 ** 2 + 4096), hostname)).toThrow("does not lie in its first");
  });

  it("refuses more keys than there is room for", async () => {
    const image = await imageWith(FIRST_BOOT_FILE, withoutWifi());
    const sshKeys = Array.from({ length: 200 }, () => makeKeyPair().publicKey);
    expect(() => settingsPatch(image, { sshKeys })).toThrow("has room for");
  });
});
