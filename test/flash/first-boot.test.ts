import { describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { firstBootLines, isAsked, wifiPsk } from "../../src/flash/first-boot.ts";

describe("wifiPsk", () => {
  // IEEE 802.11-2016, J.4.2: test vectors.
  it.each([
    ["IEEE", "password", "f42c6fc52df0ebef9ebb4b90b38a5f902e83fe1b135a70e23aed762e9710a12e"],
    ["ThisIsASSID", "ThisIsAPassword", "0dc0d6eb90555ed6419756b9a15ec3e3209b63df707dd508d14581f8982721af"],
    ["Z".repeat(32), "a".repeat(32), "becb93866bb8c3832cb777c2f559807c8c59afcb6eae734885001300a981cc62"],
  ])("of %s is what the standard says", (ssid, passphrase, psk) => {
    expect(wifiPsk(ssid, passphrase)).toBe(psk);
  });
});

describe("firstBootLines", () => {
  it("has one line for each value", () => {
    const lines = firstBootLines({
      hostname: "arm-2",
      timezone: "Europe/Berlin",
      sshKeys: ["ssh-ed25519 AAAA one", "ssh-ed25519 BBBB two"],
      staticAddress: { address: "10.0.0.2", prefix: 24, gateway: "10.0.0.1", dns: ["9.9.9.9", "1.1.1.1"] },
      wifi: { ssid: "work shop=1", country: "DE", psk: "f4".repeat(32) },
    });
    expect(lines.map(([key, value]) => `${key}=${value}`)).toEqual([
      "hostname=arm-2",
      "timezone=Europe/Berlin",
      "ssh_key=ssh-ed25519 AAAA one",
      "ssh_key=ssh-ed25519 BBBB two",
      "static_ip=10.0.0.2/24",
      "gateway=10.0.0.1",
      "dns=9.9.9.9",
      "dns=1.1.1.1",
      "wifi_ssid=work shop=1",
      "wifi_country=DE",
      `wifi_psk=${"f4".repeat(32)}`,
    ]);
  });

  it("has the host key's base64 on one line", () => {
    const hostKey = makeKeyPair();
    const [line] = firstBootLines({ sshKeys: [], hostKey });
    const body = hostKey.privateKey.replace(/-----.*?-----/g, "").replaceAll("\n", "");
    expect(line).toEqual(["ssh_host_key", body]);
    expect(Buffer.from(body, "base64").toString("latin1")).toMatch(/^openssh-key-v1\0/);
  });
});

describe("isAsked", () => {
  it("does not count the host key, which is made without being asked", () => {
    expect(isAsked({ sshKeys: [], hostKey: makeKeyPair() })).toBe(false);
    expect(isAsked({ sshKeys: [], hostname: "arm" })).toBe(true);
  });
});
