import type { SshAccess } from "./ssh.ts";

/** What {@link sshConfig} calls the machine. */
const NAME = "board";

/**
 * An ssh_config(5) file with which `ssh -F FILE board` gets into a machine, and `rtkit deploy --ssh-config FILE --host board`
 * too. Key and known hosts hold for its address as well.
 */
export function sshConfig({ host, port, user, key, knownHosts }: Omit<SshAccess, "config">): string {
  return [
    `IdentityFile "${key}"`,
    "IdentitiesOnly yes",
    `UserKnownHostsFile "${knownHosts}"`,
    `Host ${NAME}`,
    `HostName ${host}`,
    `Port ${port}`,
    `User ${user}`,
    "",
  ].join("\n");
}
