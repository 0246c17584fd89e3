import { execa } from "execa";
import { cp, open, readFile, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, describe, expect, it } from "vitest";
import { FIRST_BOOT_FILE } from "../../src/config/first-boot.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { imageFacts } from "../../src/cli/flash/image-facts.ts";
import { flash } from "../../src/flash/flash.ts";
import { openImage } from "../../src/flash/open-image.ts";
import { findFatFile } from "../../src/flash/fat-file.ts";
import { wifiPsk, type FirstBootSettings } from "../../src/flash/first-boot.ts";
import { imageSettings, SETTINGS_HEAD_BYTES, settingsPatch } from "../../src/flash/settings-patch.ts";
import { scratchDir } from "../scratch.ts";
import { bootBoard, type Built, type RunningBoard } from "./board.ts";
import { rtkitResult } from "./cli.ts";

const EXAMPLE = join(rtkitRoot, "examples", "arm");
const BOARD = "qemu-x86_64";

/** The files that settings end up in, and the name that the kernel has. */
const STATE = [
  "hostname",
  "cat /etc/hostname /etc/hosts",
  "readlink -f /etc/localtime",
  "cat /home/robot/.ssh/authorized_keys",
  "cat /etc/ssh/ssh_host_ed25519_key.pub",
  "stat -c '%U:%G %a %n' /home/robot/.ssh/authorized_keys /etc/ssh/ssh_host_ed25519_key",
  "cat /etc/systemd/network/*",
].join("; ");

describe("a card with settings for the first boot", () => {
  const [user, host] = [makeKeyPair(), makeKeyPair()];
  const settings: FirstBootSettings = {
    hostname: "arm-2",
    timezone: "Europe/Berlin",
    sshKeys: [`${user.publicKey} e2e`],
    wifi: { ssid: "IEEE", country: "DE", psk: wifiPsk("IEEE", "password") },
    // Of Wi-Fi, since that is set; the cable stays as it was, and QEMU's way in.
    staticAddress: { address: "192.168.77.2", prefix: 24, gateway: "192.168.77.1", dns: [] },
    hostKey: host,
  };
  const dir = scratchDir("rtkit-first-boot-");
  const card = join(dir, "card.img");
  const project = join(dir, "robot");
  let board: RunningBoard;
  let state: string;
  beforeAll(async () => {
    await makeProject(project);
    const { image } = await rtkitResult<Built>(["build", "--project", project, "--board", BOARD]);
    await flashCard(image.path, card, settings);
    board = await bootBoard(project, BOARD, "ssh", { disk: card });
    state = await board.ask(STATE);
  });
  afterAll(async () => board?.stop());

  it("has its name, time zone and keys", async () => {
    expect(state).toContain("arm-2\narm-2\n127.0.0.1 localhost\n127.0.1.1 arm-2\n");
    expect(state).toContain("/usr/share/zoneinfo/Europe/Berlin\n");
    expect(state).toContain(`${user.publicKey} e2e\n`);
    expect(state).toContain(`${host.publicKey}\n`);
    expect(state).toContain("robot:robot 600 /home/robot/.ssh/authorized_keys\n");
    expect(state).toContain("root:root 600 /etc/ssh/ssh_host_ed25519_key\n");
    expect(await board.ask("date +%Z")).toMatch(/^CES?T$/);
    // The name that systemd-resolved answers to over mDNS, with .local.
    const resolved = "org.freedesktop.resolve1 /org/freedesktop/resolve1 org.freedesktop.resolve1.Manager";
    expect(await board.ask(`busctl get-property ${resolved} LLMNRHostname`)).toBe('s "arm-2"');
  });

  it("joins the Wi-Fi network, with its address there", async () => {
    await board.ask("until grep -q 1 /sys/class/net/wlan0/carrier; do sleep 1; done");
    expect(await board.ask("journalctl -b -u wpa_supplicant@wlan0.service -o cat")).toContain("CTRL-EVENT-CONNECTED");
    const addresses = await board.ask("ip -4 -o address show scope global; ip route show default");
    expect(addresses).toMatch(/wlan0 +inet 192\.168\.77\.2\/24 /);
    expect(addresses).toMatch(/default via 192\.168\.77\.1 dev wlan0 proto static metric 2048/);
    expect(addresses).toMatch(/default via 10\.0\.2\.2 dev \w+ proto dhcp .*metric 1024/);
  });

  it("applied all of it before anything looked, without a word of complaint", async () => {
    expect(await board.ask("systemctl show -P Result -P ExecMainStatus first-boot.service")).toBe("success\n0");
    expect(await board.ask("systemctl is-failed '*' | grep -c failed || true")).toBe("0");
    const log = await board.ask("journalctl -b -u first-boot.service -o cat");
    expect(log).not.toMatch(/left out/);
    expect(log).not.toContain(host.privateKey.split("\n")[1]);
  });

  it("holds no setting any more, in its file or in the blocks of its boot partition", async () => {
    const head = await readHead(card);
    const found = findFatFile(head, FIRST_BOOT_FILE);
    const text = Buffer.concat(
      ("ranges" in found ? found.ranges : []).map(({ offset, length }) => head.subarray(offset, offset + length)),
    ).toString();
    expect(text.trim()).toBe("# These settings were applied and wiped. To set others, flash the card again.");
    expect(head.includes("ssh_key")).toBe(false);
  });

  it("lets the new key in", async () => {
    const key = join(dir, "key");
    await writeFile(key, user.privateKey, { mode: 0o600 });
    // Without the keys of `rtkit run`, which the configuration names.
    const login = ["-F", board.sshConfig, "-o", "IdentityFile=none", "-i", key, "-o", "BatchMode=yes", "board"];
    expect((await execa("ssh", [...login, "hostname"], { stdin: "ignore" })).stdout).toBe("arm-2");
  });

  it("is the same after the next boot, which does not look for settings", async () => {
    await board.stop();
    board = await bootBoard(project, BOARD, "ssh", { disk: card });
    expect(await board.ask(STATE)).toBe(state);
    expect(await board.ask("systemctl show -P ConditionResult first-boot.service")).toBe("no");
  });
});

describe("an image for a Raspberry Pi 4", () => {
  it("takes settings, where a flash finds them, and none of Wi-Fi without its program", async () => {
    const { image } = await rtkitResult<Built>(["build", "--project", EXAMPLE, "--board", "rpi4"]);
    const template = imageSettings(await readHead(image.path));
    expect(template?.hostname).toBe("arm");
    expect(template?.takes).toEqual(["hostname", "timezone", "ssh_key", "ssh_host_key", "static_ip", "gateway", "dns"]);
  });
});

/** The arm example with Wi-Fi, and an access point to join. */
async function makeProject(project: string): Promise<void> {
  for (const part of ["nodes", "tsconfig.json"]) {
    await cp(join(EXAMPLE, part), join(project, part), { recursive: true });
  }
  const overlay = join(rtkitRoot, "test", "fixtures", "access-point");
  const image = `image:\n  packages: [wpasupplicant, hostapd]\n  overlays: [${JSON.stringify(overlay)}]\n`;
  const text = await readFile(join(EXAMPLE, "rtkit.yaml"), "utf8");
  await writeFile(join(project, "rtkit.yaml"), text.replace("image:\n", image));
}

/** Flashes a file as a card that is larger than the image. */
async function flashCard(path: string, card: string, settings: FirstBootSettings): Promise<void> {
  await writeFile(card, "");
  await truncate(card, 3 * 1024 ** 3);
  const { signal } = new AbortController();
  const { map } = await imageFacts(path, (message) => expect.fail(message));
  const image = await openImage({ path, stdin: 0, signal });
  const patches = settingsPatch(await image.head(SETTINGS_HEAD_BYTES), settings);
  const progress = { begin: () => undefined, at: () => undefined, done: () => undefined };
  const flashed = await flash({ image, map, patches, verify: true, signal }, [
    { path: card, chosen: undefined, progress },
  ]);
  expect(flashed).toMatchObject([{ verified: true, error: undefined }]);
}

async function readHead(image: string): Promise<Buffer> {
  const file = await open(image, "r");
  const { buffer, bytesRead } = await file.read(Buffer.alloc(SETTINGS_HEAD_BYTES), 0, SETTINGS_HEAD_BYTES, 0);
  await file.close();
  return buffer.subarray(0, bytesRead);
}
