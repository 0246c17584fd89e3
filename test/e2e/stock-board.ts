import { execa } from "execa";
import { chmod, mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { readingTools } from "../../src/cli/tools.ts";
import { listBoards } from "../../src/config/boards.ts";
import type { Board } from "../../src/config/model.ts";
import { hostArchitecture } from "../../src/core/architecture.ts";
import { exec } from "../../src/core/exec.ts";
import { cacheDir } from "../../src/core/paths.ts";
import { chooseAccelerator } from "../../src/emulate/accelerator.ts";
import { freePort } from "../../src/emulate/free-port.ts";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { startMachine } from "../../src/emulate/machine.ts";
import { qemuArguments, qemuProgram } from "../../src/emulate/qemu-command.ts";
import { sshConfig } from "../../src/emulate/ssh-config.ts";
import { makeExt4 } from "../../src/image/ext4.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";
import { aptSources } from "../../src/rootfs/apt.ts";
import { chooseMirror } from "../../src/rootfs/mirror.ts";
import { bootstrap } from "../../src/rootfs/mmdebstrap.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";
import type { Answer } from "./board.ts";

/** A Debian that rtkit did not make, running in QEMU on this machine's architecture. */
export interface StockBoard {
  /**
   * Its name in it is `board`. Sudo lets its user `pi` do all without a password, as in Raspberry Pi OS, and asks `anna` for
   * hers.
   */
  readonly sshConfig: string;
  /** The board's name in board-configs/ for a project that goes there. */
  readonly boardName: string;
  readonly tryAsk: (command: string) => Promise<Answer>;
  /** Throws when the command fails. */
  readonly ask: (command: string) => Promise<string>;
  /** Restarts it and waits until it answers. */
  readonly restart: () => Promise<void>;
  readonly stop: () => Promise<void>;
}

const USER = "pi";
const STRICT_USER = "anna";

/** What Debian's installer leaves on a machine with an ssh server, as far as it matters here, and what Python nodes need. */
const PACKAGES = ["systemd-sysv", "dbus", "udev", "openssh-server", "sudo", "python3", "procps"];

/** Network, two users with this key, and names: what an installer asks for. */
const HOOK = [
  "set -eu",
  "root=$1 key=$2 user=$3 strict=$4",
  'printf "[Match]\\nName=en* eth*\\n[Network]\\nDHCP=yes\\n" >"$root/etc/systemd/network/80-dhcp.network"',
  'chroot "$root" systemctl enable systemd-networkd >/dev/null',
  'echo stock >"$root/etc/hostname"',
  'printf "127.0.0.1 localhost\\n127.0.1.1 stock\\n" >"$root/etc/hosts"',
  'echo "/dev/vda / ext4 defaults 0 1" >"$root/etc/fstab"',
  'for name in "$user" "$strict"; do',
  '  chroot "$root" useradd --create-home --shell /bin/bash --groups sudo "$name"',
  '  install -d -m 700 "$root/home/$name/.ssh"',
  '  echo "$key" >"$root/home/$name/.ssh/authorized_keys"',
  '  chroot "$root" chown -R "$name:$name" "/home/$name/.ssh"',
  "done",
  'echo "$user ALL=(ALL) NOPASSWD: ALL" >"$root/etc/sudoers.d/010_$user-nopasswd"',
  'chmod 440 "$root/etc/sudoers.d/010_$user-nopasswd"',
].join("\n");

/** Bytes of its disk. */
const DISK = 1_200 * 2 ** 20;

/** Installs Debian once, and keeps it as builds keep their steps. */
function stockStep(suite: string, board: Board): Step {
  return {
    name: "stock-debian",
    title: `Debian ${suite}`,
    inputs: { suite, architecture: board.architecture, packages: PACKAGES, hook: HOOK, disk: DISK },
    run: async (outDir, context) => {
      const scratch = scratchDir("rtkit-stock-");
      const { privateKey, publicKey } = makeKeyPair();
      await writeFile(join(outDir, "key"), privateKey, { mode: 0o600 });
      const hook = join(scratch, "hook");
      await writeFile(hook, `#!/bin/sh\n${HOOK}\n`, { mode: 0o755 });
      const tar = join(scratch, "root.tar");
      await mkdir(join(scratch, "tree"));
      await bootstrap({
        suite,
        architecture: board.architecture,
        sources: aptSources(suite, await chooseMirror(undefined)),
        foreign: { kind: "native" },
        options: [
          "--variant=minbase",
          `--include=${[...PACKAGES, `linux-image-cloud-${board.architecture}`].join(",")}`,
          "--dpkgopt=path-exclude=/usr/share/doc/*",
          "--dpkgopt=path-exclude=/usr/share/locale/*",
          `--customize-hook=${hook} "$1" '${publicKey}' ${USER} ${STRICT_USER}`,
        ],
        tar,
        scratch: join(scratch, "tree"),
        sourceDateEpoch: Math.floor(Date.now() / 1000),
        // With an initramfs, which images of rtkit make by themselves.
        env: { INITRD: "Yes" },
        onLine: () => undefined,
        signal: context.signal,
      });
      await exec("tar", ["-xf", tar, "-C", scratch, "--wildcards", "./boot/vmlinuz-*", "./boot/initrd.img-*"]);
      await exec("sh", [
        "-c",
        'cp "$1"/boot/vmlinuz-* "$2/kernel"; cp "$1"/boot/initrd.img-* "$2/initramfs"',
        "sh",
        scratch,
        outDir,
      ]);
      const uuid = "00000000-0000-4000-8000-000000000001";
      const tools = await readingTools(context);
      await makeExt4(tools, { tar, file: join(outDir, "disk.img"), size: DISK, label: "stock", uuid, grow: false });
    },
  };
}

/** Boots a stock Debian. What it writes is thrown away when it stops. */
export async function bootStock(suite: string): Promise<StockBoard> {
  const board = (await listBoards()).find(
    ({ architecture, firmware }) => architecture === hostArchitecture() && firmware.family === "direct",
  );
  if (board === undefined) throw new Error("no board of this machine's architecture");
  const context: Context = watchedContext(cacheDir());
  const { dir: made } = await runStep(context, stockStep(suite, board));
  const dir = scratchDir("rtkit-stock-run-");
  const sshPort = await freePort();
  const host = "127.0.0.1";
  const key = join(dir, "key");
  await execa("cp", [join(made, "key"), key]);
  await chmod(key, 0o600);
  const config = join(dir, "ssh-config");
  await writeFile(config, sshConfig({ host, port: sshPort, user: USER, key, knownHosts: join(dir, "known_hosts") }));
  const kernel = join(made, "kernel");
  const accelerator = await chooseAccelerator({ board, host: hostArchitecture(), kernel, dir }, context.signal);
  const start = async (): ReturnType<typeof startMachine> =>
    startMachine({
      program: qemuProgram(board),
      args: qemuArguments({
        board,
        accelerator,
        cpus: 2,
        memory: board.qemu.memory,
        disk,
        keepWrites: true,
        kernel,
        initramfs: join(made, "initramfs"),
        cmdline: "root=/dev/vda rw",
        access: { firmwareFiles: [], kernelWords: [] },
        sshPort,
        serialLog: join(dir, "serial.log"),
        console: "none",
      }),
      dir,
      serialLog: join(dir, "serial.log"),
      onTerminal: false,
      detached: false,
    });
  const disk = join(dir, "disk.img");
  await execa("cp", ["--sparse=always", "--reflink=auto", "--no-preserve=mode", join(made, "disk.img"), disk]);
  const tryAsk = async (command: string): Promise<Answer> => {
    const words = ["-F", config, "-o", "StrictHostKeyChecking=accept-new", "-o", "ConnectTimeout=5", "board", command];
    const { exitCode, all } = await execa("ssh", words, { all: true, reject: false });
    return { status: exitCode, output: all };
  };
  let machine = await start();
  const reach = async (): Promise<void> => {
    for (const started = Date.now(); (await tryAsk("true")).status !== 0;) {
      if (Date.now() - started > 300_000) throw new Error(`does not answer:\n${machine.lastLines().join("\n")}`);
      await new Promise((resolve) => setTimeout(resolve, 500));
    }
    // Until everything that the boot starts is there.
    await tryAsk("systemctl is-system-running --wait");
  };
  await reach();
  return {
    sshConfig: config,
    boardName: board.name,
    tryAsk,
    ask: async (command) => {
      const { status, output } = await tryAsk(command);
      if (status !== 0) throw new Error(`on the board: ${command}: exit status ${status}\n${output}`);
      return output;
    },
    restart: async () => {
      await tryAsk("sudo systemctl poweroff");
      await machine.over;
      machine = await start();
      await reach();
    },
    stop: async () => machine.stop(),
  };
}
