import ssh2 from "ssh2";

/** An ed25519 key pair in OpenSSH's formats. */
export interface KeyPair {
  /** PEM of `openssh-key-v1` (PROTOCOL.key), without passphrase. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`, without comment and line end. */
  readonly publicKey: string;
}

/** Bytes of an ed25519 public key as it goes over the wire: a name and 32 bytes, with their lengths (RFC 8709, 4). */
const BLOB_BYTES = 4 + "ssh-ed25519".length + 4 + 32;

/** Makes a new key pair. */
export function makeKeyPair(): KeyPair {
  for (;;) {
    const { private: privateKey, public: line } = ssh2.utils.generateKeyPairSync("ed25519");
    const publicKey = line.trim();
    // ssh2 1.17 leaves out the first byte of a public key where that is zero, and nobody can read such a pair.
    if (keyBlob(publicKey).length === BLOB_BYTES) return { privateKey, publicKey };
  }
}

/** A public key as it goes over the wire (RFC 4253, 6.6): the base64 part of {@link KeyPair.publicKey}. */
export function keyBlob(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
}
