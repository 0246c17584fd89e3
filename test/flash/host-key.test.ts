import { execa } from "execa";
import { appendFile, mkdir, readFile, stat, symlink, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { boardNames, parseSshSettings, rememberHostKey } from "../../src/flash/host-key.ts";
import { connect } from "../../src/deploy/transport.ts";
import { fakeBoard, makeOperator } from "../deploy/sshd.ts";
import { scratchDir } from "../scratch.ts";

let dir: string;
let config: string;
let known: string;
beforeEach(async () => {
  dir = scratchDir("rtkit-known-");
  known = join(dir, "ssh", "known_hosts");
  config = await sshConfig("");
});

/** An ssh_config(5) file in place of the user's. */
async function sshConfig(lines: string): Promise<string> {
  const file = join(dir, "config");
  await writeFile(file, `${lines}\nHost *\n  UserKnownHostsFile ${known} ${known}2\n`);
  return file;
}

async function remember(publicKey: string, names: readonly string[]): Promise<readonly string[]> {
  return rememberHostKey(publicKey, names, { ssh: ["-F", config] });
}

/** Keys that OpenSSH finds for a name. */
async function keysOf(name: string): Promise<string[]> {
  const { stdout } = await execa("ssh-keygen", ["-F", name, "-f", known], { reject: false });
  return stdout
    .split("\n")
    .filter((line) => line !== "" && !line.startsWith("#"))
    .map((line) => line.split(" ").slice(1, 3).join(" "));
}

const NAMES = ["arm.local", "arm", "10.0.0.2"];

describe("boardNames", () => {
  it("are the name on the network and the fixed address", () => {
    expect(boardNames({ sshKeys: [] }, "arm")).toEqual(["arm.local", "arm"]);
    const staticAddress = { address: "10.0.0.2", prefix: 24, dns: [] };
    expect(boardNames({ sshKeys: [], hostname: "leg", staticAddress }, "arm")).toEqual([
      "leg.local",
      "leg",
      "10.0.0.2",
    ]);
  });
});

describe("rememberHostKey", () => {
  it("makes known_hosts where there is none, for the user alone", async () => {
    const { publicKey } = makeKeyPair();
    expect(await remember(publicKey, NAMES)).toEqual([known]);
    for (const name of NAMES) expect(await keysOf(name)).toEqual([publicKey]);
    expect((await stat(known)).mode & 0o777).toBe(0o600);
  });

  it("replaces the key of a card that was flashed before, hashed or not, and keeps the file before", async () => {
    const [before, other, after] = [makeKeyPair(), makeKeyPair(), makeKeyPair()];
    await mkdir(join(dir, "ssh"));
    // The last line has no end, as a hand may leave it.
    await writeFile(known, `arm.local ${before.publicKey}\narm ${before.publicKey}\nleg.local ${other.publicKey}`);
    await execa("ssh-keygen", ["-H", "-f", known]);
    const text = await readFile(known, "utf8");
    await writeFile(known, text.trimEnd());
    await remember(after.publicKey, NAMES);
    for (const name of NAMES) expect(await keysOf(name)).toEqual([after.publicKey]);
    expect(await keysOf("leg.local")).toEqual([other.publicKey]);
    expect(await readFile(`${known}.old`, "utf8")).toBe(text.trimEnd());
  });

  it("leaves one line for each name when it is done twice", async () => {
    const { publicKey } = makeKeyPair();
    await remember(publicKey, NAMES);
    const once = await readFile(known, "utf8");
    await remember(publicKey, NAMES);
    expect(await readFile(known, "utf8")).toBe(once);
  });

  it("hashes names where the user's ssh does", async () => {
    const { publicKey } = makeKeyPair();
    config = await sshConfig("HashKnownHosts yes");
    await remember(publicKey, NAMES);
    await remember(publicKey, NAMES);
    for (const name of NAMES) expect(await keysOf(name)).toEqual([publicKey]);
    expect(await readFile(known, "utf8")).not.toMatch(/arm|10\.0/);
    expect((await stat(known)).mode & 0o777).toBe(0o600);
  });

  it("writes through a link, as dotfiles are kept", async () => {
    await mkdir(join(dir, "ssh"));
    await writeFile(join(dir, "mine"), "");
    await symlink(join(dir, "mine"), known);
    await remember(makeKeyPair().publicKey, ["arm"]);
    expect(await readFile(join(dir, "mine"), "utf8")).toMatch(/^arm ssh-ed25519 /);
  });

  it("looks names up as the user's ssh does: other name, port, alias", async () => {
    const { publicKey } = makeKeyPair();
    config = await sshConfig("Host arm\n  HostName arm.lan\n  Port 2222\nHost leg\n  HostKeyAlias left-leg\n  Port 23");
    await remember(publicKey, ["arm", "leg"]);
    expect(await keysOf("[arm.lan]:2222")).toEqual([publicKey]);
    expect(await keysOf("left-leg")).toEqual([publicKey]);
    expect(await keysOf("arm")).toEqual([]);
  });

  it("makes a deploy's first contact a verified one, also after the card was flashed again", async () => {
    const operator = await makeOperator();
    const board = await fakeBoard(operator);
    const ssh = ["-F", join(operator.dir, "config")];
    await appendFile(ssh[1] ?? "", `Host arm.local\n  HostName 127.0.0.1\n  Port ${board.address.port}\n`);
    const { signal } = new AbortController();
    const logIn = async (): Promise<void> => {
      const address = { ...board.address, host: "arm.local", port: null };
      await (await connect(address, { ...operator.settings, acceptNew: false }, signal)).close();
    };
    await expect(logIn()).rejects.toMatchObject({ code: "RTK_SSH_HOST_KEY_UNKNOWN" });
    await rememberHostKey(makeKeyPair().publicKey, ["arm.local"], { ssh });
    await expect(logIn()).rejects.toMatchObject({ code: "RTK_SSH_HOST_KEY_CHANGED" });
    const key = (await readFile(`${board.hostKey}.pub`, "utf8")).trim();
    await rememberHostKey(key, ["arm.local"], { ssh });
    await expect(logIn()).resolves.toBeUndefined();
  });

  it("says what to do by hand where known_hosts cannot be written", async () => {
    await writeFile(join(dir, "ssh"), "a file in the place of the folder");
    const { publicKey } = makeKeyPair();
    await expect(remember(publicKey, ["arm"])).rejects.toMatchObject({
      code: "RTK_FLASH_KNOWN_HOSTS",
      hint: expect.stringContaining(`arm ${publicKey}`),
    });
  });
});

describe("parseSshSettings", () => {
  it("knows of users who keep no file", () => {
    expect(parseSshSettings("hostname arm\nport 22\nuserknownhostsfile none\n", "arm").file).toBeNull();
    expect(parseSshSettings("userknownhostsfile /dev/null\n", "arm")).toEqual({
      file: null,
      host: "arm",
      port: 22,
      hashed: false,
    });
  });
});
