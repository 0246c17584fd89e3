import ssh2 from "ssh2";

/** An ed25519 key pair in OpenSSH's formats. */
export interface KeyPair {
  /** PEM of `openssh-key-v1` (PROTOCOL.key), without passphrase. */
  readonly privateKey: string;
  /** `ssh-ed25519 AAAA…`, without comment and line end. */
  readonly publicKey: string;
}

/** Makes a new key pair. */
export function makeKeyPair(): KeyPair {
  const pair = ssh2.utils.generateKeyPairSync("ed25519");
  return { privateKey: pair.private, publicKey: pair.public.trim() };
}

/** A public key as it goes over the wire (RFC 4253, 6.6): the base64 part of {@link KeyPair.publicKey}. */
export function keyBlob(publicKey: string): Buffer {
  return Buffer.from(publicKey.split(" ")[1] ?? "", "base64");
}

/** One line of a known_hosts file, with line end (sshd(8), "SSH_KNOWN_HOSTS FILE FORMAT"). */
export function knownHostsLine(host: string, port: number, publicKey: string): string {
  return `${port === 22 ? host : `[${host}]:${port}`} ${publicKey}\n`;
}
