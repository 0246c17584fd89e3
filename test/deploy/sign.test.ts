import { copyFileSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import type { Signer } from "../../src/config/model.ts";
import { exec, execEnd } from "../../src/core/exec.ts";
import { formatRecord, type DeployRecord } from "../../src/deploy/record.ts";
import { signWith, signWithOneOf, type Sign } from "../../src/deploy/sign.ts";
import { scratchDir } from "../scratch.ts";

const { signal } = new AbortController();
const RECORD: DeployRecord = { release: "a".repeat(64), time: 1_790_000_000 };
let dir: string;

/** Makes a key pair and returns its public half as the project file has it. */
async function makeKey(name: string, passphrase = ""): Promise<Signer> {
  const path = join(dir, name);
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", passphrase, "-C", name, "-f", path]);
  return { key: readFileSync(`${path}.pub`, "utf8").trim(), file: `${path}.pub` };
}

/** Whether a signature is that of a key, as anybody can ask ssh-keygen. */
async function isSignedBy({ key }: Signer, signature: string | null): Promise<boolean> {
  writeFileSync(join(dir, "signers"), `release namespaces="rtkit-release" ${key}\n`);
  writeFileSync(join(dir, "signature"), signature ?? "");
  const words = ["-Y", "verify", "-f", join(dir, "signers"), "-I", "release", "-n", "rtkit-release"];
  const input = formatRecord(RECORD);
  return (await execEnd("ssh-keygen", [...words, "-s", join(dir, "signature")], { input })).status === 0;
}

const oneOf = (...signers: Signer[]): Sign => signWithOneOf(async () => signers, signal);

beforeEach(() => {
  dir = scratchDir("rtkit-sign-");
  vi.stubEnv("SSH_AUTH_SOCK", undefined);
});
afterEach(() => vi.unstubAllEnvs());

it("signs with the first of the signers whose private key lies beside its public one", async () => {
  const [away, here] = [await makeKey("away"), await makeKey("here")];
  rmSync(join(dir, "away"));
  const signature = await oneOf(away, here)(RECORD);
  expect([await isSignedBy(here, signature), await isSignedBy(away, signature)]).toEqual([true, false]);
});

it("signs with a key that only the agent has, be it named by a file or in the project file", async () => {
  const key = await makeKey("release", "a passphrase");
  const agent = await exec("ssh-agent", ["-c", "-a", join(dir, "agent")]);
  const pid = Number(/SSH_AGENT_PID (\d+)/.exec(agent.stdout)?.[1]);
  try {
    vi.stubEnv("SSH_AUTH_SOCK", join(dir, "agent"));
    await exec("ssh-keygen", ["-q", "-p", "-P", "a passphrase", "-N", "", "-f", join(dir, "release")]);
    await exec("ssh-add", ["-q", join(dir, "release")]);
    rmSync(join(dir, "release"));
    expect(await isSignedBy(key, await oneOf(key)(RECORD))).toBe(true);
    expect(await isSignedBy(key, await oneOf({ ...key, file: null })(RECORD))).toBe(true);
    expect(await isSignedBy(key, await signWith(`${join(dir, "release")}.pub`, signal)(RECORD))).toBe(true);
  } finally {
    process.kill(pid);
  }
});

it("has no signature where no key is at hand, and asks nobody for a passphrase", async () => {
  const [away, locked] = [await makeKey("away"), await makeKey("locked", "a passphrase")];
  rmSync(join(dir, "away"));
  expect(await oneOf(away, locked, { ...away, file: null })(RECORD)).toBeNull();
  expect(await oneOf()(RECORD)).toBeNull();
});

it("signs with the key that is named, or says why it cannot", async () => {
  const key = await makeKey("release");
  copyFileSync(join(dir, "release"), join(dir, "copy"));
  expect(await isSignedBy(key, await signWith(join(dir, "copy"), signal)(RECORD))).toBe(true);
  await makeKey("locked", "a passphrase");
  await expect(signWith(join(dir, "locked"), signal)(RECORD)).rejects.toMatchObject({
    code: "RTK_DEPLOY_SIGN",
    message: expect.stringContaining("incorrect passphrase"),
    hint: expect.stringContaining("ssh-add"),
  });
  await expect(signWith(join(dir, "none"), signal)(RECORD)).rejects.toMatchObject({
    code: "RTK_DEPLOY_SIGN",
    message: expect.stringContaining("No such file or directory"),
  });
});

it("signs equal records once", async () => {
  const key = await makeKey("release");
  const sign = oneOf(key);
  const first = await sign(RECORD);
  rmSync(join(dir, "release"));
  expect(await sign({ ...RECORD })).toBe(first);
  expect(await sign({ ...RECORD, user: "ada" })).toBeNull();
});
