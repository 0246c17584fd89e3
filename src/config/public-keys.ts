/** Key types that OpenSSH of trixie (10.0) accepts, see sshd_config(5), PubkeyAcceptedAlgorithms. ssh-dss is gone. */
export const KEY_TYPES: ReadonlySet<string> = new Set([
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

/** What a file of public keys holds, or what is wrong with it; `line` counts from 1, and is null where there is one. */
export type PublicKeys =
  | { readonly kind: "keys"; readonly keys: readonly string[] }
  | { readonly kind: "private" }
  | { readonly kind: "none" }
  | { readonly kind: "wrong"; readonly line: number | null };

/** Reads lines of `type base64 comment` (sshd(8), AUTHORIZED_KEYS FILE FORMAT), without options before the type. */
export function readPublicKeys(text: string, types: ReadonlySet<string> = KEY_TYPES): PublicKeys {
  if (PRIVATE_KEY.test(text)) return { kind: "private" };
  const lines = text.split(/\r?\n/).map((line) => line.trim());
  const keys = lines.filter((line) => line !== "" && !line.startsWith("#"));
  if (keys.length === 0) return { kind: "none" };
  const wrong = lines.findIndex((line) => keys.includes(line) && !isPublicKey(line, types));
  if (wrong === -1) return { kind: "keys", keys };
  return { kind: "wrong", line: lines.length > 2 ? wrong + 1 : null };
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
