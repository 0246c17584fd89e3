import * as fc from "fast-check";
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { candidates } from "../../src/flash/choose.ts";
import { parseDisks, type Disk, type DiskKind } from "../../src/flash/disks.ts";
import { judge } from "../../src/flash/policy.ts";

/** A file of test/fixtures/disks. */
interface Machine {
  readonly about: string;
  readonly lsblk: object;
  readonly mountinfo: readonly string[];
  readonly mmcTypes: Record<string, string>;
  readonly byId: Record<string, string>;
  readonly imagePath?: string;
  readonly imageBytes?: number;
  readonly expected: Record<string, { refusals: string[]; doubt: boolean; offered?: true; unmount?: string[] }>;
}

const folder = join(rtkitRoot, "test", "fixtures", "disks");

const NOTHING_KNOWN = { imageBytes: undefined, imagePaths: [] };

describe("which disk may be written to", () => {
  for (const file of readdirSync(folder).filter((name) => name.endsWith(".json"))) {
    const machine = JSON.parse(readFileSync(join(folder, file), "utf8")) as Machine;
    it(`${file.replace(".json", "")}: ${machine.about}`, () => {
      const disks = parseDisks({
        lsblk: JSON.stringify(machine.lsblk),
        mountinfo: machine.mountinfo.join("\n"),
        mmcTypes: machine.mmcTypes,
        byId: machine.byId,
      });
      const judged = disks.map((disk) => ({
        disk,
        verdict: judge(disk, {
          imageBytes: machine.imageBytes,
          imagePaths: machine.imagePath === undefined ? [] : [machine.imagePath],
        }),
      }));
      const offered = candidates(judged).map(({ disk }) => disk.path);
      for (const [path, expected] of Object.entries(machine.expected)) {
        const verdict = judged.find(({ disk }) => disk.path === path)?.verdict;
        expect(
          verdict?.refusals.map(({ code }) => code),
          path,
        ).toEqual(expected.refusals);
        expect(verdict?.doubt !== undefined, `doubt about ${path}`).toBe(expected.doubt);
        expect(offered.includes(path), `${path} is offered`).toBe(expected.offered === true);
        if (expected.unmount !== undefined) expect(verdict?.unmount).toEqual(expected.unmount);
      }
      expect(offered.filter((path) => machine.expected[path]?.offered !== true)).toEqual([]);
    });
  }

  const kinds: readonly DiskKind[] = ["removable", "external", "internal", "loop", "other"];
  const disks = fc.record({
    path: fc.constant("/dev/sda"),
    stableNames: fc.constant([]),
    model: fc.string(),
    transport: fc.constantFrom("", "usb", "sata", "mmc"),
    kind: fc.constantFrom(...kinds),
    sizeBytes: fc.integer({ min: 0, max: 4e12 }),
    logicalBlockBytes: fc.constantFrom(512, 4096),
    readOnly: fc.boolean(),
    labels: fc.array(fc.string()),
    mounts: fc.array(
      fc.record({
        at: fc.constantFrom(
          "/",
          "/boot",
          "[SWAP]",
          "/media/a",
          "/run/media/a/b",
          "/mnt",
          "/home",
          "/mediaplayer",
          "/mntx",
        ),
        device: fc.constant("/dev/sda1"),
      }),
      { maxLength: 3 },
    ),
    memberOf: fc.subarray(["LVM", "RAID", "ZFS"]),
    parts: fc.constant(["/dev/sda1"]),
    backing: fc.constant(undefined),
    sequence: fc.constant(undefined),
  });

  it("is never one that the system has something on, or that is part of something, or read-only, or has no medium", () => {
    fc.assert(
      fc.property(disks, (disk: Disk) => {
        const { refusals } = judge(disk, NOTHING_KNOWN);
        const inUse = disk.mounts.some(({ at }) => !/^\/(?:media|run\/media|mnt)(?:\/|$)/.test(at));
        if (inUse || disk.memberOf.length > 0 || disk.readOnly || disk.sizeBytes === 0 || disk.kind === "other") {
          expect(refusals).not.toEqual([]);
        }
        for (const { code, reason, hint } of refusals) {
          expect(code).toMatch(/^RTK_FLASH_/);
          expect(reason.length * hint.length).toBeGreaterThan(0);
        }
      }),
    );
  });

  it("is offered only when it is a card or stick of at most 128 GB that nothing speaks against", () => {
    fc.assert(
      fc.property(disks, (disk: Disk) => {
        const verdict = judge(disk, NOTHING_KNOWN);
        const isOffered = candidates([{ disk, verdict }]).length === 1;
        if (isOffered) expect(disk).toMatchObject({ kind: "removable", readOnly: false });
        expect(isOffered && (verdict.refusals.length > 0 || disk.sizeBytes > 128 * 1024 ** 3)).toBe(false);
      }),
    );
  });

  const card: Disk = {
    path: "/dev/sda",
    stableNames: [],
    model: "",
    transport: "usb",
    kind: "removable",
    sizeBytes: 32e9,
    logicalBlockBytes: 512,
    readOnly: false,
    labels: [],
    mounts: [],
    memberOf: [],
    parts: ["/dev/sda1"],
    backing: undefined,
    sequence: undefined,
  };
  const codes = (disk: Partial<Disk>, ...imagePaths: string[]): string[] =>
    judge({ ...card, ...disk }, { imageBytes: 1, imagePaths }).refusals.map(({ code }) => code);

  it("is not the image itself, a part of it, or what shows it", () => {
    expect(codes({}, "/dev/sda")).toEqual(["RTK_FLASH_IMAGE_DISK"]);
    expect(codes({}, "/dev/sda1")).toEqual(["RTK_FLASH_IMAGE_DISK"]);
    const loop = { path: "/dev/loop0", kind: "loop", backing: "/home/ada/arm.img" } as const;
    expect(codes(loop, "/home/ada/arm.img")).toEqual(["RTK_FLASH_IMAGE_DISK"]);
    expect(codes(loop, "/home/ada/other.img")).toEqual([]);
  });

  it("is not a view of another disk, which may be in use", () => {
    expect(codes({ path: "/dev/loop0", kind: "loop", backing: "/dev/sdb" })).toEqual(["RTK_FLASH_NOT_A_DISK"]);
  });

  it("has what lies below another mount unmounted first", () => {
    const mounts = ["/mnt/x/boot", "/mnt/x", "/mnt/x/boot/more"].map((at) => ({ at, device: "/dev/sda1" }));
    const { unmount } = judge({ ...card, mounts }, NOTHING_KNOWN);
    expect(unmount).toEqual(["/mnt/x", "/mnt/x/boot", "/mnt/x/boot/more"]);
  });

  it("is unmounted from where it is, also where that ends in a blank", () => {
    const at = "/media/ada/data ";
    const part = { name: "sda1", path: "/dev/sda1", type: "part", size: 2 ** 30, mountpoint: at, mountpoints: [at] };
    const stick = { name: "sda", path: "/dev/sda", type: "disk", size: 2 ** 30, children: [part] };
    const lsblk = JSON.stringify({ blockdevices: [stick] });
    const [disk] = parseDisks({ lsblk, mountinfo: "", mmcTypes: {}, byId: {} });
    expect(disk?.mounts.map((mount) => mount.at)).toEqual([at]);
  });

  it("is as large as the image at least", () => {
    fc.assert(
      fc.property(disks, fc.integer({ min: 1, max: 4e12 }), (disk: Disk, imageBytes) => {
        const refused = judge(disk, { imageBytes, imagePaths: [] }).refusals.map(({ code }) => code);
        expect(refused.includes("RTK_FLASH_TOO_SMALL")).toBe(disk.sizeBytes > 0 && disk.sizeBytes < imageBytes);
      }),
    );
  });
});
