import { execa } from "execa";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { runCli } from "../../src/cli/program.ts";
import { scratchDir } from "../scratch.ts";
import { loopDevice, noise, testImage, usedCard, withFaults } from "../flash/disks.ts";
import { makeFatImage } from "../flash/fat-images.ts";

let printed: string;
beforeEach(() => {
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
});
afterEach(() => vi.restoreAllMocks());

const lines = (): Record<string, unknown>[] =>
  printed
    .trim()
    .split("\n")
    .map((line) => JSON.parse(line) as Record<string, unknown>);

async function flash(...words: string[]): Promise<number> {
  printed = "";
  return runCli(["flash", "--json", ...words]);
}

it("writes an image to a loop device, and tells scripts what it did", async () => {
  const image = testImage();
  const card = usedCard();
  const device = await loopDevice(card);
  if (device === undefined) return;
  try {
    expect(await flash(image.path, "--device", device.path, "--i-mean", device.path, "--dry-run")).toBe(0);
    expect(lines().at(-1)).toMatchObject({
      type: "result",
      bytes: image.bytes.length,
      devices: [{ device: device.path }],
    });
    expect((await readFile(card)).equals(await readFile(usedCard()))).toBe(true);

    expect(await flash(image.path, "--device", device.path, "--i-mean", device.path)).toBe(0);
    const name = device.path.replace("/dev/", "");
    const done = lines().flatMap(({ type, name: step, status }) =>
      type === "step" && status === "done" ? [step] : [],
    );
    expect(done).toEqual(["wipe", "write", "clear", "sync", "verify", "finish"].map((phase) => `${phase}-${name}`));
    expect(lines().at(-1)).toMatchObject({
      type: "result",
      device: device.path,
      bytes: image.bytes.length,
      seconds: expect.any(Number) as number,
      verified: true,
      devices: [{ device: device.path, ok: true, verified: true }],
    });
  } finally {
    await device.detach();
  }
  expect((await readFile(card)).subarray(0, image.bytes.length).equals(image.bytes)).toBe(true);
});

it("writes to several at once: one that fails is told beside the others, with exit status 1", async () => {
  const image = testImage();
  const cards = [usedCard(), usedCard()];
  const devices = [await loopDevice(cards[0] ?? ""), await loopDevice(cards[1] ?? "")];
  const paths = devices.flatMap((device) => device?.path ?? []);
  const [good = "", bad = ""] = paths;
  if (paths.length < 2) return;
  try {
    const words = paths.flatMap((path) => ["--device", path, "--i-mean", path]);
    expect(await withFaults(bad, { GONE: 4 }, async () => flash(image.path, ...words))).toBe(1);
    expect(lines().at(-1)).toMatchObject({
      type: "result",
      devices: [
        { device: good, ok: true, verified: true },
        { device: bad, ok: false, code: "RTK_FLASH_GONE", verified: false },
      ],
    });
  } finally {
    for (const device of devices) await device?.detach();
  }
});

it("writes a hybrid ISO, whose partitions overlap and begin in the first sector, as it is", async () => {
  const iso = await hybridIso();
  const path = join(scratchDir("rtkit-iso-"), "installer.iso");
  await writeFile(path, iso);
  const card = usedCard();
  const device = await loopDevice(card);
  if (device === undefined) return;
  try {
    expect(await flash(path, "--device", device.path, "--i-mean", device.path)).toBe(0);
    expect(lines().at(-1)).toMatchObject({ type: "result", bytes: iso.length, verified: true });
    expect((await readFile(card)).subarray(0, iso.length).equals(iso)).toBe(true);
    expect(await flash(path, "--device", device.path, "--i-mean", device.path, "--hostname", "arm-2")).toBe(1);
    expect(lines().at(-1)).toMatchObject({ code: "RTK_FLASH_NO_SETTINGS" });
  } finally {
    await device.detach();
  }
});

/** As `xorriso -isohybrid-mbr` lays it out: a bootable partition over everything, and in it the FAT that UEFI starts from. */
async function hybridIso(): Promise<Buffer> {
  const files = [{ name: "bootx64.efi", content: noise(100_000, 3) }];
  const fat = await makeFatImage(scratchDir("rtkit-efi-"), { bits: 12, clusterSectors: 4, files });
  const iso = noise(5 * 1024 ** 2 + 2048, 5);
  iso.fill(0, 440, 510);
  const partitions = [
    { status: 0x80, type: 0, start: 0, sectors: iso.length / 512 },
    { status: 0, type: 0xef, start: 136, sectors: fat.length / 512 },
  ];
  for (const [index, { status, type, start, sectors }] of partitions.entries()) {
    const entry = 446 + 16 * index;
    iso.writeUInt8(status, entry);
    iso.writeUInt8(type, entry + 4);
    iso.writeUInt32LE(start, entry + 8);
    iso.writeUInt32LE(sectors, entry + 12);
  }
  iso.writeUInt16LE(0xaa55, 510);
  // The primary volume descriptor (ECMA-119, 8.4).
  iso.write("\u0001CD001\u0001", 32_768, "latin1");
  fat.copy(iso, 136 * 512);
  return iso;
}

it("does not write to what is mounted, nor to the disk that this system runs from", async () => {
  const image = testImage();
  expect(await flash("--list")).toBe(0);
  const { disks } = lines().at(-1) as { disks: { device: string; refusals: { code: string }[]; mounts: string[] }[] };
  const system = disks.find(({ mounts }) => mounts.includes("/"));
  // Containers may not see what they run from.
  if (system !== undefined) {
    expect(await flash(image.path, "--device", system.device, "--i-mean", system.device)).toBe(2);
    expect(lines().at(-1)).toMatchObject({ type: "error", code: "RTK_FLASH_SYSTEM_DISK" });
  }
  const card = usedCard(64 * 1024 ** 2);
  const device = await loopDevice(card);
  if (device === undefined) return;
  try {
    await execa("mkfs.ext4", ["-q", "-F", device.path]);
    await execa("mount", ["--mkdir", device.path, "/opt/rtkit-test-mount"]);
    expect(await flash(image.path, "--device", device.path, "--i-mean", device.path)).toBe(2);
    expect(lines().at(-1)).toMatchObject({ code: "RTK_FLASH_SYSTEM_DISK" });
    await execa("umount", ["/opt/rtkit-test-mount"]);
    await execa("rmdir", ["/opt/rtkit-test-mount"]);

    await execa("mount", ["--mkdir", device.path, "/mnt/rtkit-test-mount"]);
    expect(await flash(image.path, "--device", device.path, "--i-mean", device.path)).toBe(0);
    expect((await readFile("/proc/self/mountinfo", "utf8")).includes("/mnt/rtkit-test-mount")).toBe(false);
    await execa("rmdir", ["/mnt/rtkit-test-mount"]);
  } finally {
    await device.detach();
  }
});

it("says what is wrong with what it was told", async () => {
  const empty = join(scratchDir("rtkit-empty-"), "empty.img.gz");
  await writeFile(empty, gzipSync(""));
  expect(await flash(empty)).toBe(2);
  expect(lines()).toMatchObject([{ code: "RTK_FLASH_IMAGE" }]);
  expect(await flash("-", "--wifi", "net", "--wifi-passphrase-file", "/dev/stdin")).toBe(2);
  expect(lines()).toMatchObject([{ code: "RTK_FLASH_PASSPHRASE" }]);
  const image = testImage();
  expect(await flash(image.path, "--sha256", "abc")).toBe(2);
  expect(lines()).toMatchObject([{ type: "error", code: "RTK_FLASH_SHA256" }]);
  expect(await flash("/nothing.img")).toBe(2);
  expect(lines()).toMatchObject([{ code: "RTK_FLASH_IMAGE" }]);
  expect(await flash(image.path)).toBe(2);
  expect(lines()).toMatchObject([{ code: "RTK_FLASH_NO_DEVICE" }]);
});
