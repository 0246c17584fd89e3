import type { FileFact } from "../facts.ts";
import type { Signer } from "../model.ts";
import type { Report } from "../report.ts";
import { quote } from "../values.ts";

/** Key types that OpenSSH of trixie (10.0) accepts, see sshd_config(5), PubkeyAcceptedAlgorithms. ssh-dss is gone. */
const KEY_TYPES: ReadonlySet<string> = new Set([
  "ssh-ed25519",
  "ecdsa-sha2-nistp256",
  "ecdsa-sha2-nistp384",
  "ecdsa-sha2-nistp521",
  "ssh-rsa",
  "sk-ssh-ed25519@openssh.com",
  "sk-ecdsa-sha2-nistp256@openssh.com",
]);

/** The ways private keys begin: PEM and OpenSSH (RFC 7468), and PuTTY's own format. */
const PRIVATE_KEY = /-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----|^PuTTY-User-Key-File-\d/m;

/** The key type of signers: short, the same bytes for the same content, and what OpenSSH makes by default. */
const SIGNER_TYPES: ReadonlySet<string> = new Set(["ssh-ed25519"]);

/** A list of keys in the project file, and what may stand in it. */
interface KeyList {
  readonly path: readonly (string | number)[];
  readonly types: ReadonlySet<string>;
  readonly report: Report;
}

/**
 * RTK_CONFIG_KEY, RTK_CONFIG_PRIVATE_KEY, and the warning RTK_CONFIG_NO_KEYS. Returns the lines for authorized_keys.
 * Nothing of a file's content goes into a message.
 */
export function authorizedKeys(
  items: readonly string[],
  keyFiles: ReadonlyMap<number, FileFact>,
  report: Report,
): readonly string[] {
  const list = { path: ["image", "ssh", "authorized_keys"], types: KEY_TYPES, report };
  const lines = readKeys(items, keyFiles, list).map(({ key }) => key);
  if (items.length === 0) {
    const what = "no public key is named: nobody can log in to the board over ssh (rtkit run can, with its own key)";
    report.warning(
      "RTK_CONFIG_NO_KEYS",
      ["image", "ssh"],
      what,
      "add for example authorized_keys: [~/.ssh/id_ed25519.pub]",
      "key",
    );
  }
  return [...new Set(lines)];
}

/** RTK_CONFIG_KEY and RTK_CONFIG_PRIVATE_KEY of `image.signers`. */
export function signers(
  items: readonly string[],
  signerFiles: ReadonlyMap<number, FileFact>,
  report: Report,
): readonly Signer[] {
  const found = readKeys(items, signerFiles, { path: ["image", "signers"], types: SIGNER_TYPES, report });
  return found.filter(({ key }, index) => found.findIndex((other) => other.key === key) === index);
}

/** The keys of a list, each with the file that it stands in. */
function readKeys(
  items: readonly string[],
  files: ReadonlyMap<number, FileFact>,
  { path: listPath, types, report }: KeyList,
): readonly Signer[] {
  return items.flatMap((item, index) => {
    const path = [...listPath, index];
    const fact = files.get(index);
    const found = (text: string, source: string): Signer[] =>
      publicKeys(text, source, { path, types, report }).map((key) => ({ key, file: fact?.path ?? null }));
    if (fact === undefined) return found(item, "this");
    if (fact.kind === "file") return found(fact.head.toString("utf8"), quote(item));
    if (fact.kind === "missing") {
      const hint = "make a key with ssh-keygen -t ed25519, or name the .pub file of the one you have";
      report.error("RTK_CONFIG_KEY", path, `there is no key file ${quote(item)}`, hint);
    } else {
      const what = `${quote(item)} is not a readable file`;
      report.error("RTK_CONFIG_KEY", path, what, "name a public key file, which ends in .pub");
    }
    return [];
  });
}

function publicKeys(text: string, source: string, { path, types, report }: KeyList): readonly string[] {
  if (PRIVATE_KEY.test(text)) {
    const what = `${source} holds a PRIVATE key: it must never leave your machine, and above all not go into an image`;
    const hint = "name the public key, which ends in .pub; if the private one was ever shared, make a new pair";
    report.error("RTK_CONFIG_PRIVATE_KEY", path, what, hint);
    return [];
  }
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  const wrong = lines.findIndex((line) => keys.includes(line) && !isPublicKey(line, types));
  if (keys.length > 0 && wrong === -1) return keys;
  const kind = types === SIGNER_TYPES ? "an ed25519 public key" : "a public key that OpenSSH accepts";
  const what = keys.length === 0 ? `${source} holds no key` : `${source} is not ${kind}`;
  const line = keys.length > 0 && lines.length > 2 ? ` (line ${wrong + 1})` : "";
  const shown = [...types].slice(0, 2).join(", ");
  const hint = `each line is a type (${shown}${types.size > 2 ? ", …" : ""}), the key, and a comment`;
  report.error("RTK_CONFIG_KEY", path, `${what}${line}`, hint);
  return [];
}

/** Whether a line is `type base64 comment`, the base64 decodes, and says the same type (RFC 4253 6.6). */
function isPublicKey(line: string, types: ReadonlySet<string>): boolean {
  const [type = "", encoded = ""] = line.split(/\s+/);
  if (!types.has(type) || !/^[A-Za-z0-9+/]+={0,2}$/.test(encoded)) return false;
  const blob = Buffer.from(encoded, "base64");
  if (blob.length < 4 || blob.toString("base64") !== encoded) return false;
  const length = blob.readUInt32BE(0);
  return blob.length > 4 + length && blob.subarray(4, 4 + length).toString("latin1") === type;
}
