import { rm, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { RtkitError } from "../core/errors.ts";
import { execEnd } from "../core/exec.ts";
import { makeTempDir } from "../core/temp-dir.ts";
import type { Signer } from "../config/model.ts";
import { formatRecord, type DeployRecord } from "./record.ts";

/** Keeps a signature from being good for anything else (PROTOCOL.sshsig, namespace). */
const NAMESPACE = "rtkit-release";

/** Signs records; null when none of the keys is at hand. */
export type Sign = (record: DeployRecord) => Promise<string | null>;

/**
 * Signs with a key that is named: its file, or its public one when an agent has the private one. The signature throws
 * RTK_DEPLOY_SIGN when that cannot be.
 */
export function signWith(keyFile: string, signal: AbortSignal): Sign {
  return once(async (text) => {
    const { status, stdout, stderr } = await keygen(keyFile, text, signal);
    if (status === 0) return stdout;
    throw new RtkitError("RTK_DEPLOY_SIGN", `${keyFile} cannot sign: ${reasonOf(stderr)}`, {
      hint: "name an ed25519 key that has no passphrase, or that the agent has: ssh-add",
    });
  });
}

/**
 * Signs with the first of the project's signers whose private key is at hand: beside its public one, or in the agent.
 * `signers` is called when there is something to sign.
 */
export function signWithOneOf(signers: () => Promise<readonly Signer[]>, signal: AbortSignal): Sign {
  return once(async (text) => {
    for (const { key, file } of await signers()) {
      const { status, stdout } = await (file === null ? inlineKey(key, text, signal) : keygen(file, text, signal));
      if (status === 0) return stdout;
    }
    return null;
  });
}

/** Boards that go to the same release get the same signature: one is made, for keys that ask somebody each time. */
function once(sign: (text: string) => Promise<string | null>): Sign {
  const made = new Map<string, Promise<string | null>>();
  return async (record) => {
    const text = formatRecord(record);
    const signature = made.get(text) ?? sign(text);
    made.set(text, signature);
    return signature;
  };
}

/** Asks the agent for a key that stands in the project file: ssh-keygen wants a file. */
async function inlineKey(key: string, text: string, signal: AbortSignal): ReturnType<typeof keygen> {
  const dir = await makeTempDir("rtkit-key-");
  try {
    const file = join(dir, "key.pub");
    await writeFile(file, `${key}\n`);
    return await keygen(file, text, signal);
  } finally {
    await rm(dir, { recursive: true, force: true });
  }
}

async function keygen(file: string, text: string, signal: AbortSignal): ReturnType<typeof execEnd> {
  // -P: asks nobody for a passphrase, in the middle of whatever is shown. What is unlocked is in the agent.
  const words = ["-Y", "sign", "-P", "", "-n", NAMESPACE, "-f", file];
  return execEnd("ssh-keygen", words, { input: text, signal, installHint: "apt-get install openssh-client" });
}

function reasonOf(stderr: string): string {
  const lines = stderr.split("\n").filter((line) => line !== "" && !line.startsWith("Signing data on"));
  return lines.at(-1) ?? "ssh-keygen does not say why";
}
