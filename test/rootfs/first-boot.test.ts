import { execa } from "execa";
import * as fc from "fast-check";
import {
  cpSync,
  existsSync,
  lstatSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  readlinkSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it } from "vitest";
import { FIRST_BOOT_KEYS, firstBootFile, withFirstBootSettings } from "../../src/config/first-boot.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { makeKeyPair } from "../../src/core/ssh-keys.ts";
import { firstBootLines, type FirstBootSettings } from "../../src/flash/first-boot.ts";
import { scratchDir } from "../scratch.ts";

const SCRIPT = join(rtkitRoot, "overlays/base/rootfs/usr/lib/rtnode/first-boot");
const FILE = "boot/firmware/firstboot.txt";
const TEMPLATE = firstBootFile({ hostname: "arm", takes: FIRST_BOOT_KEYS });
const WIRED = "etc/systemd/network/70-wired.network";
const WIFI = "etc/systemd/network/70-wifi.network";
const SUPPLICANT = "etc/wpa_supplicant/wpa_supplicant-wlan0.conf";
const HOST_KEY = "etc/ssh/ssh_host_ed25519_key";

let root: string;
/** A board's file system, as far as the program looks at it. */
beforeEach(() => {
  root = scratchDir("first-boot-");
  put("etc/fstab", "# x\nPARTUUID=1-1 /boot/firmware vfat umask=0077 0 2\nPARTUUID=1-2 / ext4 noatime 0 1\n");
  put("etc/hostname", "arm\n");
  put("etc/hosts", "127.0.0.1 localhost\n127.0.1.1 arm\n::1 localhost\n");
  put("home/robot/.ssh/authorized_keys", "");
  put("proc/sys/kernel/hostname", "arm\n");
  put("usr/share/zoneinfo/Europe/Berlin", "TZif");
  put("usr/lib/systemd/system/wpa_supplicant@.service", "");
  for (const folder of ["run", "tmp", "etc/ssh"]) mkdirSync(join(root, folder), { recursive: true });
});

function put(path: string, content: string): void {
  mkdirSync(dirname(join(root, path)), { recursive: true });
  writeFileSync(join(root, path), content);
}
function get(path: string): string {
  return readFileSync(join(root, path), "utf8");
}

/** Boots with this file, and returns what the journal gets. */
async function boot(file?: string): Promise<string> {
  if (file !== undefined) put(FILE, file);
  const env = { FIRST_BOOT_ROOT: root };
  const { stdout, stderr } = await execa("sh", [SCRIPT], { env, stdin: "ignore" });
  return `${stdout}${stderr}`;
}

/** The image's file with lines written into it by hand. */
function byHand(...lines: string[]): string {
  return `${TEMPLATE.trimEnd()}\n${lines.join("\n")}\n`;
}

function byFlash(settings: FirstBootSettings): string {
  const file = withFirstBootSettings(TEMPLATE, firstBootLines(settings));
  if (file === undefined) throw new Error("does not fit");
  return file;
}

/** Every file of the board and its content. */
function everything(dir = ""): string[] {
  return readdirSync(join(root, dir), { withFileTypes: true })
    .toSorted((a, b) => (a.name < b.name ? -1 : 1))
    .flatMap((entry) => {
      const path = join(dir, entry.name);
      if (entry.isDirectory()) return everything(path);
      const mode = (lstatSync(join(root, path)).mode & 0o777).toString(8);
      return entry.isSymbolicLink()
        ? [`${path} -> ${readlinkSync(join(root, path))}`]
        : [`${path} ${mode} ${get(path)}`];
    });
}

const mine = makeKeyPair();
const hostKey = makeKeyPair();
const all: FirstBootSettings = {
  hostname: "arm-2",
  timezone: "Europe/Berlin",
  sshKeys: [`${mine.publicKey} me@here`],
  staticAddress: { address: "192.168.1.20", prefix: 24, gateway: "192.168.1.1", dns: ["9.9.9.9", "1.1.1.1"] },
  hostKey,
};
const wifi = { ssid: 'Büro "2" $(reboot)', country: "DE", psk: "0f".repeat(32) };

describe("settings that a flash wrote", () => {
  it("are applied: name, time zone, keys, fixed address", async () => {
    expect(await boot(byFlash(all))).toBe("");
    expect(get("etc/hostname")).toBe("arm-2\n");
    expect(get("proc/sys/kernel/hostname")).toBe("arm-2\n");
    expect(get("etc/hosts")).toBe("127.0.0.1 localhost\n127.0.1.1 arm-2\n::1 localhost\n");
    expect(readlinkSync(join(root, "etc/localtime"))).toBe("../usr/share/zoneinfo/Europe/Berlin");
    expect(get("home/robot/.ssh/authorized_keys")).toBe(`${mine.publicKey} me@here\n`);
    const [match, network, route] = get(WIRED)
      .split(/\n(?=\[)/)
      .slice(1);
    expect(match).toBe("[Match]\nType=ether\nName=en* eth*");
    expect(network).toBe("[Network]\nMulticastDNS=yes\nAddress=192.168.1.20/24\nDNS=9.9.9.9\nDNS=1.1.1.1");
    expect(route).toBe("[Route]\nGateway=192.168.1.1\nGatewayOnLink=yes\nMetric=1024\n");
  });

  it("bring the host key that the host knows, for root alone", async () => {
    await boot(byFlash(all));
    // The lines are broken elsewhere.
    expect(get(HOST_KEY).replaceAll("\n", "")).toBe(hostKey.privateKey.replaceAll("\n", ""));
    expect(statSync(join(root, HOST_KEY)).mode & 0o777).toBe(0o600);
    expect(get(`${HOST_KEY}.pub`).split(" ").slice(0, 2).join(" ").trim()).toBe(hostKey.publicKey);
  });

  it("join a Wi-Fi network, to which the fixed address belongs then", async () => {
    expect(await boot(byFlash({ ...all, wifi }))).toBe("");
    const hex = Buffer.from(wifi.ssid).toString("hex");
    expect(get(SUPPLICANT)).toContain(`country=DE\nnetwork={\n\tssid=${hex}\n`.replaceAll("\t", ""));
    expect(get(SUPPLICANT)).toContain(`psk=${wifi.psk}\n}\n`);
    expect(statSync(join(root, SUPPLICANT)).mode & 0o777).toBe(0o600);
    expect(get(WIFI)).toContain("[Match]\nName=wlan0\n");
    expect(get(WIFI)).toContain("Address=192.168.1.20/24");
    expect(existsSync(join(root, WIRED))).toBe(false);
    const link = "etc/systemd/system/multi-user.target.wants/wpa_supplicant@wlan0.service";
    expect(readlinkSync(join(root, link))).toBe("/usr/lib/systemd/system/wpa_supplicant@.service");
  });

  it("leave Wi-Fi to DHCP without a fixed address, behind a cable", async () => {
    await boot(byFlash({ sshKeys: [], wifi }));
    expect(get(WIFI)).toContain("DHCP=yes\n[DHCPv4]\nClientIdentifier=mac\nRouteMetric=2048\n");
  });

  it("are wiped from the file, which keeps its place and length, and leave nothing in memory", async () => {
    const file = byFlash({ ...all, wifi });
    put(FILE, file);
    const inode = statSync(join(root, FILE)).ino;
    await boot();
    const left = get(FILE);
    expect(left).toHaveLength(Buffer.byteLength(file));
    expect(left.trim()).toBe("# These settings were applied and wiped. To set others, flash the card again.");
    expect(statSync(join(root, FILE)).ino).toBe(inode);
    expect(readdirSync(join(root, "run"))).toEqual([]);
  });

  it("are said done, so that no later boot looks for them", async () => {
    await boot(byFlash(all));
    expect(existsSync(join(root, "var/lib/rtnode/first-boot.done"))).toBe(true);
    const unit = readFileSync(
      join(rtkitRoot, "overlays/base/rootfs/usr/lib/systemd/system/first-boot.service"),
      "utf8",
    );
    expect(unit).toContain("ConditionPathExists=!/var/lib/rtnode/first-boot.done\n");
  });

  it("add keys to those of the image, each once", async () => {
    const [old, other] = [makeKeyPair().publicKey, makeKeyPair().publicKey];
    put("home/robot/.ssh/authorized_keys", `# image\n${old}\n${mine.publicKey}`);
    await boot(byFlash({ sshKeys: [mine.publicKey, other] }));
    expect(get("home/robot/.ssh/authorized_keys")).toBe(`# image\n${old}\n${mine.publicKey}\n${other}\n`);
    expect(statSync(join(root, "home/robot/.ssh/authorized_keys")).mode & 0o777).toBe(0o600);
  });
});

describe("a card without settings", () => {
  it("boots as the image is, and its file stays", async () => {
    const before = everything();
    expect(await boot(TEMPLATE)).toBe("");
    rmSync(join(root, "var"), { recursive: true });
    expect(get(FILE)).toBe(TEMPLATE);
    rmSync(join(root, FILE));
    expect(everything()).toEqual(before);
  });

  it("boots without the file, and without a boot partition", async () => {
    expect(await boot()).toBe("");
    put("etc/fstab", "PARTUUID=1-2 / ext4 noatime 0 1\n");
    expect(await boot()).toBe("");
  });
});

describe("a power cut", () => {
  it("before the end repeats everything, to the same result", async () => {
    const file = byFlash({ ...all, wifi });
    await boot(file);
    const once = everything();
    rmSync(join(root, "var"), { recursive: true });
    put("etc/hostname.new", "half writ");
    await boot(file);
    expect(everything()).toEqual(once);
  });

  it("while the file is wiped applies no half of it", async () => {
    const file = byHand("static_ip=10.0.0.2/24", "gateway=10.0.0.1");
    await boot(file);
    rmSync(join(root, "var/lib/rtnode/first-boot.done"));
    const once = everything();
    await boot(file.replace("gateway=10.0.0.1", ""));
    expect(everything().filter((line) => !line.startsWith(FILE))).toEqual(
      [...once.filter((line) => !line.startsWith(FILE)), "var/lib/rtnode/first-boot.done 644 "].toSorted(),
    );
    expect(get(FILE).trim()).toMatch(/^# These settings were applied/);
  });
});

describe("settings written by hand", () => {
  it("are taken as Windows' editor leaves them: a byte order mark, CR LF, blanks, no last line end", async () => {
    const lines = byHand("hostname=arm-3  ", "timezone=Europe/Berlin").trimEnd();
    expect(await boot(`\uFEFF${lines.replaceAll("\n", "\r\n")}`)).toBe("");
    expect(get("etc/hostname")).toBe("arm-3\n");
    expect(readlinkSync(join(root, "etc/localtime"))).toMatch(/Berlin$/);
  });

  it("keep the host key that is good when another follows that is none", async () => {
    await boot(`${byFlash(all)}ssh_host_key=AAAA\n`);
    expect(get(HOST_KEY).replaceAll("\n", "")).toBe(hostKey.privateKey.replaceAll("\n", ""));
    expect(get(`${HOST_KEY}.pub`)).toContain(hostKey.publicKey);
  });

  it("may have Wi-Fi's key in capitals", async () => {
    await boot(byHand("wifi_ssid=workshop", "wifi_country=DE", `wifi_psk=${"0A".repeat(32)}`));
    expect(get(SUPPLICANT)).toContain(`psk=${"0A".repeat(32)}\n`);
  });

  it("may have Wi-Fi's pass-phrase in place of the key", async () => {
    await boot(byHand("wifi_ssid=workshop", "wifi_country=DE", 'wifi_passphrase=a "b" \\ $c'));
    expect(get(SUPPLICANT)).toContain('psk="a "b" \\ $c"\n');
  });

  it("are told from each other: what is wrong is said by line and key, the rest holds", async () => {
    const line = TEMPLATE.trimEnd().split("\n").length + 1;
    expect(await boot(byHand("hostname=-x", "timezone=Europe/Berlin", "password=secret", "just words"))).toBe(
      [
        `firstboot.txt, line ${line}: hostname cannot be this; left out`,
        `firstboot.txt, line ${line + 2}: no such setting; left out`,
        `firstboot.txt, line ${line + 3}: not KEY=VALUE; left out`,
      ].join("\n"),
    );
    expect(get("etc/hostname")).toBe("arm\n");
    expect(readlinkSync(join(root, "etc/localtime"))).toMatch(/Berlin$/);
  });

  it.each([
    "hostname=",
    "hostname=Arm",
    "hostname=localhost",
    `hostname=${"a".repeat(64)}`,
    "hostname=a;reboot",
    "timezone=../../../etc/shadow",
    "timezone=/etc/passwd",
    "timezone=Europe",
    "timezone=Europe/Nowhere",
    "ssh_key=ssh-ed25519 AAAA",
    'ssh_key=command="x" ssh-ed25519 AAAA',
    "ssh_host_key=AAAA",
    "ssh_host_key=$(id)",
    "static_ip=10.0.0.2",
    "static_ip=10.0.0.2/33",
    "static_ip=10.0.0.2/0",
    "static_ip=10.0.0.256/24",
    "static_ip=010.0.0.1/24",
    "static_ip=10.0.0/24",
    "static_ip=fe80::1/64",
    "static_ip=10.0.0.2/24/24",
    "wifi_country=de",
    "wifi_ssid=",
    `wifi_ssid=${"é".repeat(17)}`,
    `wifi_psk=${"0".repeat(63)}`,
    `wifi_psk=${"g".repeat(64)}`,
    "wifi_passphrase=seven77",
    "wifi_passphrase=schlüssel-wort",
  ])("%s is left out, and its value not said", async (line) => {
    const before = everything("etc");
    const said = await boot(byHand(line));
    expect(said).toMatch(/cannot be this; left out$/);
    const value = line.slice(line.indexOf("=") + 1);
    if (value !== "") expect(said).not.toContain(value);
    expect(everything("etc")).toEqual(before);
    expect(get("home/robot/.ssh/authorized_keys")).toBe("");
  });

  it("without the others that they need are left out", async () => {
    expect(await boot(byHand("wifi_ssid=workshop", "gateway=10.0.0.1"))).toBe(
      "firstboot.txt: Wi-Fi needs wifi_ssid, wifi_country and wifi_psk; left out\n" +
        "firstboot.txt: gateway and dns need static_ip; left out",
    );
    expect(existsSync(join(root, "etc/systemd"))).toBe(false);
  });

  it("of Wi-Fi are left out where the image has no program for it", async () => {
    rmSync(join(root, "usr/lib/systemd"), { recursive: true });
    expect(await boot(byFlash({ ...all, wifi }))).toBe(
      "firstboot.txt: Wi-Fi needs the package wpasupplicant in the image; left out",
    );
    expect(existsSync(join(root, "etc/wpa_supplicant"))).toBe(false);
    expect(get(WIRED)).toContain("Address=192.168.1.20/24");
  });

  it("are whatever they are: any text leaves a board with its name and ways in", async () => {
    const key = fc.constantFrom(...FIRST_BOOT_KEYS, "", "#hostname");
    const value = fc.string({ unit: "binary", maxLength: 40 });
    const line = fc.tuple(key, fc.constantFrom("=", "", " = "), value).map((parts) => parts.join(""));
    const clean = scratchDir("first-boot-");
    cpSync(root, clean, { recursive: true });
    await fc.assert(
      fc.asyncProperty(fc.array(line, { maxLength: 20 }), async (lines) => {
        rmSync(root, { recursive: true });
        cpSync(clean, root, { recursive: true });
        await boot(byHand(...lines));
        expect(get("etc/hostname")).toMatch(/^[a-z0-9-]{1,63}\n$/);
        expect(get("etc/hosts")).toContain("127.0.0.1 localhost");
        for (const text of existsSync(join(root, WIRED)) ? [get(WIRED)] : [])
          expect(text).toContain("MulticastDNS=yes");
      }),
      { numRuns: 30 },
    );
  });
});
