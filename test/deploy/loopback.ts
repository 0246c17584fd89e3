import { spawn } from "node:child_process";
import { once } from "node:events";
import { appendFileSync, existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { connect } from "node:net";
import { userInfo } from "node:os";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { findProgram } from "../../src/core/programs.ts";
import type { Address } from "../../src/deploy/address.ts";
import type { SshSettings } from "../../src/deploy/ssh-command.ts";
import { freePort } from "../../src/emulate/free-port.ts";

/** A board on the loopback: a real sshd before the real rtnodectl, whose systemd and launcher are stand-ins. */
export interface FakeBoard {
  readonly address: Address;
  /** Its root, with opt/rtnode. */
  readonly root: string;
  /** The file of its private host key. */
  readonly hostKey: string;
  /** The commands that came over ssh, since the last time. */
  readonly commands: () => string[];
  /** The nodes that systemd was told to restart, since the last time. */
  readonly restarted: () => string[];
  /** A shell script that is run before each command, which it finds in $SSH_ORIGINAL_COMMAND. */
  readonly before: (script: string) => void;
  /** From now on its nodes do this, whatever their bundles say. */
  readonly nodesDo: (what: string) => void;
  /** Makes the nodes log a line, for those who follow. */
  readonly log: (line: string) => void;
  /** The release that `current` points to. */
  readonly current: () => Promise<string>;
}

/** The files of somebody who deploys. */
export interface Operator {
  readonly dir: string;
  readonly knownHosts: string;
  readonly settings: SshSettings;
}

/** Somebody with a key in an empty folder, who knows no board. */
export async function operatorIn(dir: string): Promise<Operator> {
  await makeKey(join(dir, "key"));
  const knownHosts = join(dir, "known_hosts");
  const config = join(dir, "config");
  const lines = [`IdentityFile ${join(dir, "key")}`, `UserKnownHostsFile ${knownHosts}`, "GlobalKnownHostsFile none"];
  writeFileSync(config, ["IdentitiesOnly yes", "IdentityAgent none", ...lines, ""].join("\n"));
  return { dir, knownHosts, settings: { config, acceptNew: true, ask: false } };
}

async function makeKey(path: string): Promise<void> {
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", "", "-f", path]);
}

/** Boards that share a few sshds, with a port each. */
export interface Loopback {
  readonly boards: readonly FakeBoard[];
  readonly stop: () => void;
}

/** Starts boards in an empty folder that let the operator in; `ports` are free ones by default. */
export async function startBoards(
  dir: string,
  operator: Operator,
  count: number,
  ports: readonly number[] = [],
): Promise<Loopback> {
  const chosen = new Set(ports);
  while (chosen.size < count) chosen.add(await freePort());
  const roots = new Map([...chosen].map((port) => [port, join(dir, `${port}`)]));
  for (const root of roots.values()) {
    for (const folder of ["opt/rtnode/releases", "run", "usr/lib/rtnode", "bin", "state"]) {
      mkdirSync(join(root, folder), { recursive: true });
    }
    writeFileSync(join(root, "usr/lib/rtnode/groups"), "");
    writeFileSync(join(root, "journal"), "");
    writePrograms(root);
  }
  const hostKey = join(dir, "host-key");
  await makeKey(hostKey);
  const stops: (() => void)[] = [];
  const waiting = [...chosen];
  while (waiting.length > 0) stops.push(await startSshd(dir, operator, waiting.splice(0, MAX_PORTS)));
  const stop = (): void => stops.forEach((end) => end());
  return { boards: [...roots].map(([port, root]) => boardAt(root, port, hostKey)), stop };
}

/** sshd listens on no more (MAX_LISTEN_SOCKS of OpenSSH's sshd.c). */
const MAX_PORTS = 16;

function boardAt(root: string, port: number, hostKey: string): FakeBoard {
  return {
    address: { host: "127.0.0.1", port, user: userInfo().username },
    root,
    hostKey,
    commands: () => taken(join(root, "commands")).map((line) => line.replace("sudo -n /usr/lib/rtnode/rtnodectl ", "")),
    restarted: () => taken(join(root, "restarted")),
    before: (script) => writeFileSync(join(root, "before"), script),
    log: (line) => appendFileSync(join(root, "journal"), `${line}\n`),
    nodesDo: (what) => writeFileSync(join(root, "state/does"), `${what}\n`),
    current: async () => (await exec("readlink", [join(root, "opt/rtnode/current")])).stdout.trim().replace(/.*\//, ""),
  };
}

function taken(file: string): string[] {
  if (!existsSync(file)) return [];
  const text = readFileSync(file, "utf8");
  writeFileSync(file, "");
  return text.split("\n").filter((line) => line !== "");
}

async function startSshd(dir: string, operator: Operator, ports: readonly number[]): Promise<() => void> {
  const sshd = findProgram("sshd");
  if (sshd === undefined) throw new Error("there is no sshd: run scripts/setup --tests");
  // Where sshd, as root, puts the half of itself that strangers talk to; the package's service would make it.
  if (process.getuid?.() === 0) mkdirSync("/run/sshd", { recursive: true, mode: 0o755 });
  // The last word is the port that was connected to (sshd(8), SSH_CONNECTION).
  const script = `#!/bin/sh\nexec '${dir}'/"\${SSH_CONNECTION##* }"/bin/command\n`;
  writeFileSync(join(dir, "command"), script, { mode: 0o755 });
  const lines = [
    ...ports.map((port) => `Port ${port}`),
    "ListenAddress 127.0.0.1",
    `HostKey ${join(dir, "host-key")}`,
    `AuthorizedKeysFile ${join(operator.dir, "key.pub")}`,
    `ForceCommand ${join(dir, "command")}`,
    "PidFile none",
    // Each board would count its own.
    `MaxStartups ${10 * ports.length}`,
    "StrictModes no",
    "UsePAM no",
    "PasswordAuthentication no",
    "KbdInteractiveAuthentication no",
    "PermitRootLogin yes",
  ];
  const config = join(dir, `sshd_config-${ports[0]}`);
  writeFileSync(config, `${lines.join("\n")}\n`);
  const server = spawn(sshd, ["-D", "-e", "-f", config], { stdio: "ignore" });
  while (!(await answers(ports.at(-1) ?? 0))) {
    if (server.exitCode !== null) throw new Error(`sshd ended: look at ${sshd} -t -f ${config}`);
    await sleep(20);
  }
  return () => void server.kill("SIGKILL");
}

async function answers(port: number): Promise<boolean> {
  const socket = connect(port, "127.0.0.1");
  try {
    await once(socket, "connect");
    return true;
  } catch {
    return false;
  } finally {
    socket.destroy();
  }
}

/**
 * What the stand-ins share: `state/NODE` has what systemd says of a node, `state/pid-N` what the launcher says. They
 * start next to no programs: a hundred boards share this machine.
 */
function writePrograms(root: string): void {
  const rtnodectl = join(rtkitRoot, "src/device/rtnodectl");
  const programs = {
    "bin/command": `
export RTNODE_ROOT='${root}' PATH='${join(root, "bin")}':"$PATH"
printf '%s\\n' "$SSH_ORIGINAL_COMMAND" >>'${root}/commands'
if [ -f '${root}/before' ]; then . '${root}/before'; fi
case $SSH_ORIGINAL_COMMAND in
'sudo -n /usr/lib/rtnode/rtnodectl '*) exec sh '${rtnodectl}' \${SSH_ORIGINAL_COMMAND#* * * } ;;
'cat /opt/rtnode/current/manifest.json') exec cat '${root}/opt/rtnode/current/manifest.json' ;;
'cat /opt/rtnode/releases/'*'/manifest.json') exec cat '${root}'"\${SSH_ORIGINAL_COMMAND#cat }" ;;
'journalctl '*) eval "exec $SSH_ORIGINAL_COMMAND" ;;
*) echo "not for a board: $SSH_ORIGINAL_COMMAND" >&2; exit 126 ;;
esac`,
    "bin/systemctl": `
state='${root}/state' nodes='${root}/opt/rtnode/current/nodes'
start() {
    count=100
    if [ -f "$state/count" ]; then read -r count <"$state/count"; fi
    count=$((count + 1)); echo "$count" >"$state/count"
    read -r does <"$nodes/$1.pyz" 2>/dev/null || does=runs
    if [ -f "$state/does" ]; then read -r does <"$state/does"; fi
    policy=fifo priority='' cpus=''
    while read -r key value; do
        case $key in priority) priority=$value ;; cpus) cpus=$value ;; esac
    done <"$nodes/$1.conf"
    active=active restarts=0 text=''
    case $does in
    fails) active=failed count=0 text='cannot open /dev/i2c-1' ;;
    restarts) restarts=later ;;
    slow) active=activating ;;
    other-policy) policy=other priority=0 ;;
    esac
    printf 'ActiveState=%s\\nMainPID=%s\\nNRestarts=%s\\nStatusText=%s\\n' "$active" "$count" "$restarts" "$text" >"$state/$1"
    printf '{"name":"x","pid":%s,"policy":"%s","priority":%s,"cpus":"%s","lockedKiB":0,"threads":[]}\\n' \\
        "$count" "$policy" "$priority" "$cpus" >"$state/pid-$count"
}
case $1 in
show)
    looks=0
    if [ -f "$state/looks" ]; then read -r looks <"$state/looks"; fi
    for unit; do
        case $unit in rtnode@*) ;; *) continue ;; esac
        node=\${unit#rtnode@}; node=\${node%.service}
        # It ends between the first look and the second.
        if [ -f "$state/$node" ]; then
            while IFS= read -r line; do
                case $line in *=later) line=\${line%later}$looks ;; esac
                printf '%s\\n' "$line"
            done <"$state/$node"
        else echo ActiveState=inactive; fi
        printf 'Id=%s\\n\\n' "$unit"
        echo 1 >"$state/looks"
    done
    ;;
restart)
    rm -f "$state/looks"
    for unit; do
        case $unit in rtnode@*) ;; *) continue ;; esac
        node=\${unit#rtnode@}; node=\${node%.service}
        echo "$node" >>'${root}/restarted'
        start "$node"
    done
    ;;
start)
    for conf in "$nodes"/*.conf; do
        name=\${conf##*/}; name=\${name%.conf}
        [ -f "$state/$name" ] || start "$name"
    done
    ;;
esac`,
    "bin/systemd-run": "",
    // The disk of a busy machine would take most of the time.
    "bin/sync": "",
    "bin/journalctl": `
printf '%s\\n' "$*" >>'${root}/journal-asked'
case " $* " in *' --follow '*) exec tail -n 0 -f '${root}/journal' ;; esac
printf 'imu[101]: says \\033[31mhello\\n'`,
    "usr/lib/rtnode/rt-launch": `
shift 2
for pid; do shift; set -- "$@" '${root}/state/pid-'"$pid"; done
exec cat "$@"`,
  };
  for (const [path, text] of Object.entries(programs)) {
    writeFileSync(join(root, path), `#!/bin/sh${text.startsWith("\n") ? "" : "\n"}${text}\n`, { mode: 0o755 });
  }
}
