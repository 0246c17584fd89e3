import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import {
  checkPassphrase,
  parseCountry,
  parseHostname,
  parseSshKeys,
  parseSsid,
  parseStaticAddress,
  parseTimezone,
} from "../../src/flash/first-boot-values.ts";

const SETTING = expect.objectContaining({ code: "RTK_FLASH_SETTING", exitStatus: 2 });

describe("--hostname", () => {
  it("takes a name that the network takes", () => {
    expect(parseHostname("arm-2")).toBe("arm-2");
  });
  it.each(["", "Arm", "arm.local", "-arm", "arm_2", "a".repeat(64), "localhost", "arm\nssh_key=x"])(
    "refuses %j",
    (name) => {
      expect(() => parseHostname(name)).toThrow(SETTING);
    },
  );
});

describe("--timezone", () => {
  it.each([
    ["Europe/Berlin", "Europe/Berlin"],
    ["europe/berlin", "Europe/Berlin"],
    ["UTC", "UTC"],
    ["Etc/GMT+1", "Etc/GMT+1"],
    // Where JavaScript prefers a name that boards no longer have.
    ["asia/kolkata", "Asia/Kolkata"],
    ["Asia/Calcutta", "Asia/Kolkata"],
  ])("takes %s", (asked, zone) => {
    expect(parseTimezone(asked)).toBe(zone);
  });
  it.each(["", "Berlin", "Europe/Nowhere", "US/Pacific", "+02:00", "../../etc/shadow", "Europe/Berlin\n"])(
    "refuses %j",
    (zone) => {
      expect(() => parseTimezone(zone)).toThrow(SETTING);
    },
  );
});

describe("--static-ip", () => {
  it("takes an address with its prefix, a gateway and name servers", () => {
    expect(parseStaticAddress("10.0.0.2/8")).toEqual({ address: "10.0.0.2", prefix: 8, dns: [] });
    expect(parseStaticAddress("192.168.1.20/24,192.168.1.1,9.9.9.9,1.1.1.1")).toEqual({
      address: "192.168.1.20",
      prefix: 24,
      gateway: "192.168.1.1",
      dns: ["9.9.9.9", "1.1.1.1"],
    });
    expect(parseStaticAddress("10.0.0.0/31").prefix).toBe(31);
  });
  it.each([
    "10.0.0.2",
    "10.0.0.2/",
    "10.0.0.2/33",
    "10.0.0.2/24/24",
    "10.0.0/24",
    "10.0.0.256/24",
    "fe80::1/64",
    "10.0.0.2/24,",
    "10.0.0.2/24,gateway",
    "10.0.0.2/24,10.0.0.1,dns",
    // Not in the network; the network itself; its broadcast address.
    "10.0.0.2/24,10.0.1.1",
    "10.0.0.0/24",
    "10.0.0.255/24",
  ])("refuses %s", (address) => {
    expect(() => parseStaticAddress(address)).toThrow(SETTING);
  });
});

describe("--wifi", () => {
  it("takes any name of up to 32 bytes", () => {
    expect(parseSsid('Büro 2 = "x" $(y)')).toBe('Büro 2 = "x" $(y)');
    expect(parseSsid("é".repeat(16))).toHaveLength(16);
  });
  it.each(["", "é".repeat(17), " a", "a ", "a\nb", "a\0"])("refuses %j", (ssid) => {
    expect(() => parseSsid(ssid)).toThrow(SETTING);
  });

  it("takes a country in either case, and needs one", () => {
    expect(parseCountry("de")).toBe("DE");
    for (const country of [undefined, "", "D", "DEU", "1Z"]) expect(() => parseCountry(country)).toThrow(SETTING);
  });

  it("takes pass-phrases of WPA2, and says nothing of one that it refuses", () => {
    expect(checkPassphrase("8 to 63!")).toBe("8 to 63!");
    for (const bad of ["seven77", "x".repeat(64), "schlüssel-wort", "tab\tinside"]) {
      expect(() => checkPassphrase(bad)).toThrow(SETTING);
      expect(() => checkPassphrase(bad)).not.toThrow(bad);
    }
  });
});

describe("--ssh-key", () => {
  const KEY = expect.objectContaining({ code: "RTK_FLASH_SSH_KEY", exitStatus: 2 });
  const { publicKey, privateKey } = makeKeyPair();

  it("takes the keys of a file", () => {
    expect(parseSshKeys("a.pub", `# mine\n${publicKey} me@here\r\n`)).toEqual([`${publicKey} me@here`]);
  });
  it("refuses a private key, and shows none of it", () => {
    expect(() => parseSshKeys("id", privateKey)).toThrow(KEY);
    expect(() => parseSshKeys("id", privateKey)).toThrow("--ssh-key id holds a PRIVATE key");
  });
  it("refuses a file without keys, and names the line that is none", () => {
    expect(() => parseSshKeys("a.pub", "\n")).toThrow("holds no key");
    expect(() => parseSshKeys("a.pub", `${publicKey}\nssh-dss AAAA\n`)).toThrow("(line 2)");
  });
});
