import { mkdtemp, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import ssh2 from "ssh2";
import { expect, it, onTestFinished } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { writeGuestAccess } from "../../src/emulate/guest-access.ts";
import { knownHostsLine } from "../../src/core/known-hosts.ts";
import { keyBlob, makeKeyPair } from "../../src/core/ssh-keys.ts";

async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rtkit-access-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

it("every key pair is new, and its halves belong together", () => {
  const [one, other] = [makeKeyPair(), makeKeyPair()];
  expect(one.privateKey).not.toBe(other.privateKey);
  expect(one.publicKey).toMatch(/^ssh-ed25519 [A-Za-z0-9+/]{68}$/);
  const parsed = ssh2.utils.parseKey(one.privateKey);
  if (parsed instanceof Error) throw parsed;
  expect(parsed.getPublicSSH()).toEqual(keyBlob(one.publicKey));
});

it("OpenSSH reads the private key and finds the host in known_hosts", async () => {
  const dir = await scratchFolder();
  const pair = makeKeyPair();
  await writeFile(join(dir, "key"), pair.privateKey, { mode: 0o600 });
  const { stdout: derived } = await exec("ssh-keygen", ["-y", "-f", join(dir, "key")]);
  expect(derived.trim()).toBe(pair.publicKey);
  await writeFile(join(dir, "known_hosts"), knownHostsLine("127.0.0.1", 40022, pair.publicKey));
  const { stdout: found } = await exec("ssh-keygen", ["-F", "[127.0.0.1]:40022", "-f", join(dir, "known_hosts")]);
  expect(found).toContain(pair.publicKey);
});

it("writes known_hosts with brackets for every port but 22", () => {
  expect(knownHostsLine("127.0.0.1", 40022, "ssh-ed25519 AAAA")).toBe("[127.0.0.1]:40022 ssh-ed25519 AAAA\n");
  expect(knownHostsLine("board", 22, "ssh-ed25519 AAAA")).toBe("board ssh-ed25519 AAAA\n");
});

it("secrets are private files for QEMU's firmware device, only the drop-in is on the command line", async () => {
  const dir = await scratchFolder();
  const keys = { host: makeKeyPair(), user: makeKeyPair() };
  const { firmwareFiles, kernelWords } = await writeGuestAccess(dir, keys);
  const contents = await Promise.all(firmwareFiles.map(async ({ path }) => readFile(path, "utf8")));
  expect(contents).toEqual([keys.host.privateKey, `${keys.user.publicKey}\n`]);
  for (const { path, name } of firmwareFiles) {
    expect((await stat(path)).mode & 0o777).toBe(0o600);
    expect(name).toMatch(/^opt\/io\.systemd\.credentials\/rtnode\.ssh\./);
    // FW_CFG_MAX_FILE_PATH, with the end mark.
    expect(name.length).toBeLessThan(56);
  }
  expect(kernelWords).toHaveLength(1);
  const [, name, dropIn] = /^systemd\.set_credential_binary=([^:]+):(\S+)$/.exec(kernelWords[0] ?? "") ?? [];
  expect(name).toBe("systemd.unit-dropin.ssh.service~vm");
  const text = Buffer.from(dropIn ?? "", "base64").toString();
  expect(text.split("\n").slice(0, 3)).toEqual(["[Service]", "ImportCredential=rtnode.ssh.*", "ExecStart="]);
  expect(text).not.toContain("ssh-ed25519");
});
