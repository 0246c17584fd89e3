import { describe, expect, test } from "vitest";
import type { Firmware, Project } from "../../src/config/model.ts";
import { generatedLayer } from "../../src/rootfs/generated-layer.ts";

const project = (firmware: Firmware): Project => ({
  dir: "/p",
  file: "/p/rtkit.yaml",
  name: "arm",
  board: {
    name: "b",
    description: "",
    architecture: "arm64",
    cpus: 4,
    suite: "trixie",
    kernel: { package: "linux-image-rt-arm64", fragments: [] },
    firmware,
    cmdline: [],
    consoles: ["tty0", "ttyS1,115200"],
    packages: [],
    overlays: [],
    partitionTable: "mbr",
    partitions: [],
    qemu: { machine: "virt", cpu: "cortex-a72", console: "ttyAMA0", memory: 1024 ** 3 },
  },
  image: {
    hostname: "joint",
    packages: [],
    snapshot: null,
    node: null,
    authorizedKeys: ["ssh-ed25519 AAAA a", "ssh-ed25519 BBBB b"],
    signers: [],
    overlays: [],
  },
  kernel: { source: null, fragments: [], patches: [] },
  nodes: [],
  targets: [],
  deploy: { check: null, health: null },
  cache: { url: null },
});
const facts = {
  partitions: [
    { name: "BOOT", mount: "/boot/firmware", filesystem: "fat32" as const, partuuid: "1234abcd-01", grow: false },
    { name: "root", mount: "/", filesystem: "ext4" as const, partuuid: "1234abcd-02", grow: false },
    { name: "slot", mount: null, filesystem: "ext4" as const, partuuid: "1234abcd-03", grow: false },
    { name: "data", mount: "/opt/rtnode", filesystem: "ext4" as const, partuuid: "1234abcd-04", grow: true },
  ],
  cmdline: ["isolcpus=domain,managed_irq,3", "panic=10"],
};
const filesOf = (firmware: Firmware): Map<string, string> =>
  new Map(
    generatedLayer(project(firmware), facts).entries.flatMap(({ path, content }) =>
      content.kind === "text" ? [[path, content.text]] : [],
    ),
  );

describe("generated files", () => {
  test("the board announces itself", () => {
    expect(filesOf({ family: "direct" }).get("usr/lib/systemd/dnssd/rtkit.dnssd")).toMatch(
      /^\[Service\]\nName=%H\nType=_rtkit\._tcp\nPort=22\nTxtText=board=b version=\d+\.\d+\.\d+$/m,
    );
  });

  test("fstab", () => {
    expect(filesOf({ family: "direct" }).get("etc/fstab")?.split("\n")).toEqual([
      "# <file system> <mount point> <type> <options> <dump> <pass>",
      "PARTUUID=1234abcd-01 /boot/firmware vfat umask=0077,noatime,nosuid,nodev,nofail 0 2",
      "PARTUUID=1234abcd-02 / ext4 noatime,errors=remount-ro 0 1",
      "PARTUUID=1234abcd-04 /opt/rtnode ext4 noatime,nosuid,nodev,x-systemd.growfs,nofail 0 2",
      "",
    ]);
  });

  test("name, keys, sources", () => {
    const files = filesOf({ family: "direct" });
    expect(files.get("etc/hostname")).toBe("joint\n");
    expect(files.get("etc/hosts")).toContain("127.0.1.1 joint\n");
    expect(files.get("home/robot/.ssh/authorized_keys")).toBe("ssh-ed25519 AAAA a\nssh-ed25519 BBBB b\n");
    expect(files.get("etc/apt/sources.list.d/debian.sources")).toContain("Suites: trixie-security\n");
    expect([...files.keys()].some((path) => path.includes("raspi"))).toBe(false);
  });

  test("who may sign releases: nobody, or each signer for releases only", () => {
    const path = "etc/rtnode/allowed_signers";
    expect(filesOf({ family: "direct" }).has(path)).toBe(false);
    const plain = project({ family: "direct" });
    const signers = ["A", "B"].map((key) => ({ key: `ssh-ed25519 ${key} me`, file: null }));
    const { entries } = generatedLayer({ ...plain, image: { ...plain.image, signers } }, facts);
    expect(entries.find((entry) => entry.path === path)).toMatchObject({
      mode: 0o644,
      owner: "root",
      content: {
        text: 'release namespaces="rtkit-release" ssh-ed25519 A me\nrelease namespaces="rtkit-release" ssh-ed25519 B me\n',
      },
    });
  });

  test("mount points are there, and sshd is content with the modes of the keys", () => {
    const { entries } = generatedLayer(project({ family: "direct" }), facts);
    expect(
      entries.filter(({ content }) => content.kind === "directory").map(({ path, mode }) => [path, mode.toString(8)]),
    ).toEqual([
      ["boot/firmware", "755"],
      ["home/robot/.ssh", "700"],
      ["opt/rtnode", "755"],
    ]);
    expect(entries.find(({ path }) => path.endsWith("authorized_keys"))).toMatchObject({ mode: 0o600, owner: "robot" });
  });

  test("a kernel that is installed on a Raspberry Pi boots as the image does", () => {
    const firmware: Firmware = { family: "raspberrypi", deviceTrees: [], blobs: [], config: ["dtparam=spi=on"] };
    const files = filesOf(firmware);
    expect(files.get("etc/default/raspi-firmware")).toContain(
      'CONSOLES="tty0 ttyS1,115200"\nROOTPART="PARTUUID=1234abcd-02"\n',
    );
    expect(files.get("etc/default/raspi-extra-cmdline")).toBe("isolcpus=domain,managed_irq,3 panic=10\n");
    expect(files.get("etc/default/raspi-firmware-custom")).toBe("dtparam=spi=on\n");
    expect([...generatedLayer(project(firmware), facts).replaces.keys()]).toEqual(["etc/default/raspi-firmware"]);
  });
});
