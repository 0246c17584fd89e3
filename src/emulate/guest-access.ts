import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import type { KeyPair } from "../core/ssh-keys.ts";

/** The board's user that may log in over ssh. */
export const BOARD_USER = "robot";

/** A file that QEMU shows to the guest's firmware configuration device (docs/specs/fw_cfg). */
export interface FirmwareFile {
  /** At most 55 characters (FW_CFG_MAX_FILE_PATH). */
  readonly name: string;
  readonly path: string;
}

/** What lets us in without changing the image's file, see {@link writeGuestAccess}. */
export interface GuestAccess {
  readonly firmwareFiles: readonly FirmwareFile[];
  readonly kernelWords: readonly string[];
}

/** Where systemd looks for credentials among QEMU's firmware files (systemd.system-credentials(7), "fw_cfg"). */
const CREDENTIALS = "opt/io.systemd.credentials/";

const HOST_KEY = "rtnode.ssh.host-key";
const USER_KEYS = "rtnode.ssh.keys";

/**
 * A drop-in for ssh.service. `%d` is the unit's folder of credentials (systemd.unit(5)), `%u` the user who logs in
 * (sshd_config(5)); so the throw-away key is good for {@link BOARD_USER} alone, and the image's own keys stay good.
 * sshd takes the first host key of a kind, and options before its files: the image's own is made but not offered.
 * Penalties are off since everyone who connects comes from QEMU's one address.
 */
const SSH_DROP_IN = `[Service]
ImportCredential=rtnode.ssh.*
ExecStart=
ExecStart=/usr/sbin/sshd -D $SSHD_OPTS -o HostKey=%d/${HOST_KEY} "-o AuthorizedKeysCommand=/usr/bin/cat %d/${USER_KEYS}.%%u" -o AuthorizedKeysCommandUser=root -o PerSourcePenalties=no
`;

/**
 * Writes the keys into a private folder, for the guest's systemd (256 or newer) to pick up as credentials: the secrets
 * from QEMU's firmware files, the drop-in that uses them from the kernel command line, because its name is too long
 * for a firmware file's. Nothing of it is in the image, and a real board has no such device.
 */
export async function writeGuestAccess(dir: string, keys: { host: KeyPair; user: KeyPair }): Promise<GuestAccess> {
  const hostKey = join(dir, "host-key");
  const userKeys = join(dir, "authorized-keys");
  await writeFile(hostKey, keys.host.privateKey, { mode: 0o600 });
  await writeFile(userKeys, `${keys.user.publicKey}\n`, { mode: 0o600 });
  const dropIn = Buffer.from(SSH_DROP_IN).toString("base64");
  return {
    firmwareFiles: [
      { name: `${CREDENTIALS}${HOST_KEY}`, path: hostKey },
      { name: `${CREDENTIALS}${USER_KEYS}.${BOARD_USER}`, path: userKeys },
    ],
    kernelWords: [`systemd.set_credential_binary=systemd.unit-dropin.ssh.service~vm:${dropIn}`],
  };
}
