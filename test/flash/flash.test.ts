import { execa } from "execa";
import { openSync } from "node:fs";
import { readFile, rename, rm, truncate, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { gzipSync } from "node:zlib";
import { beforeAll, describe, expect, it } from "vitest";
import { HEAD_BYTES } from "../../src/flash/extents.ts";
import { flash } from "../../src/flash/flash.ts";
import { openImage } from "../../src/flash/open-image.ts";
import { scratchDir } from "../scratch.ts";
import {
  flashTo,
  holds,
  isBootable,
  loopDevice,
  sha256,
  testImage,
  usedCard,
  withFaults,
  type TestImage,
} from "./disks.ts";

function oneRange({ bytes }: TestImage): TestImage["map"] {
  return { size: bytes.length, ranges: [{ offset: 0, length: bytes.length, sha256: sha256(bytes) }] };
}

describe("flashing a disk", () => {
  let image: TestImage;
  beforeAll(() => {
    image = testImage();
  });

  it("puts the image on it, and nothing shows through of what was there", async () => {
    const card = usedCard();
    const [flashed] = await flashTo([card], image);
    expect(flashed).toMatchObject({ path: card, verified: true, error: undefined });
    expect(await holds(card, image)).toBe(true);
    // The copy of an old partition table at the end of the disk.
    expect((await readFile(card)).subarray(-HEAD_BYTES).every((byte) => byte === 0)).toBe(true);
  });

  it("does the same without a block map", async () => {
    const card = usedCard();
    const [flashed] = await flashTo([card], image, { map: undefined });
    expect(flashed).toMatchObject({ bytes: image.bytes.length, verified: true, error: undefined });
    expect(await holds(card, image)).toBe(true);
  });

  it("writes to real block devices, opened alone", async () => {
    const card = usedCard();
    const device = await loopDevice(card);
    if (device === undefined) return;
    try {
      expect(await flashTo([device.path], image)).toMatchObject([{ verified: true, error: undefined }]);
    } finally {
      await device.detach();
    }
    expect(await holds(card, image)).toBe(true);
  });

  it("leaves alone what something else holds", async () => {
    const card = usedCard();
    const device = await loopDevice(card);
    if (device === undefined) return;
    try {
      await execa("mkfs.ext4", ["-q", "-F", device.path]);
      const before = await readFile(card);
      const at = scratchDir("rtkit-mounted-");
      await execa("mount", ["-o", "ro", device.path, at]);
      const [flashed] = await flashTo([device.path], image).finally(async () => execa("umount", [at]));
      expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_BUSY", hint: expect.stringContaining("lsblk") });
      expect((await readFile(card)).equals(before)).toBe(true);
    } finally {
      await device.detach();
    }
  });

  it("writes nothing when its name is another disk's since it was chosen", async () => {
    const card = usedCard();
    const before = await readFile(card);
    const device = await loopDevice(card);
    const disks = [{ path: card, chosen: { sizeBytes: before.length + 512, sequence: undefined } }];
    // The number that the kernel gives to each disk and medium, which this one cannot have any more.
    if (device !== undefined)
      disks.push({ path: device.path, chosen: { sizeBytes: before.length, sequence: 1 as never } });
    const { signal } = new AbortController();
    const opened = await openImage({ path: image.path, stdin: 0, signal });
    const progress = { begin: () => undefined, at: () => undefined, done: () => undefined };
    const flashed = await flash(
      { image: opened, map: image.map, patches: [], verify: true, signal },
      disks.map((disk) => ({ ...disk, progress })),
    );
    await device?.detach();
    for (const { error } of flashed) expect(error).toMatchObject({ code: "RTK_FLASH_CHANGED" });
    expect((await readFile(card)).equals(before)).toBe(true);
  });

  it("takes an image that ends in a hole, and in the middle of a sector", async () => {
    const size = image.bytes.length - 100;
    const map = { size, ranges: image.map.ranges.slice(0, 4) };
    const path = join(scratchDir("rtkit-odd-"), "odd.img");
    await writeFile(path, image.bytes.subarray(0, size));
    const card = usedCard();
    const device = await loopDevice(card);
    expect(await flashTo([device?.path ?? card], image, { path, map })).toMatchObject([{ error: undefined }]);
    await device?.detach();
    const expected = Buffer.from(image.bytes.subarray(0, size));
    expected.fill(0, 10 * 1024 ** 2 + 8192, size);
    expect((await readFile(card)).subarray(0, size).equals(expected)).toBe(true);
  });

  it("refuses a packed image that is longer than its block map", async () => {
    const path = join(scratchDir("rtkit-long-"), "long.img.gz");
    await writeFile(path, gzipSync(Buffer.concat([image.bytes, Buffer.from("more")]), { level: 1 }));
    const card = usedCard();
    await expect(flashTo([card], image, { path })).rejects.toMatchObject({ code: "RTK_FLASH_DAMAGED" });
    expect(isBootable(await readFile(card))).toBe(false);
  });

  describe("with a block map of one range, as dense images have", () => {
    for (const verify of [true, false]) {
      it(`writes it${verify ? ", verified" : ""}`, async () => {
        const card = usedCard();
        const flashed = await flashTo([card], image, { map: oneRange(image), verify });
        expect(flashed).toMatchObject([{ bytes: image.bytes.length, error: undefined }]);
        expect(await holds(card, image)).toBe(true);
      });
    }

    it("names the MiB that is bad, and not the whole range", async () => {
      const card = usedCard();
      const place = 7 * HEAD_BYTES + 5;
      const [flashed] = await withFaults(card, { FLIP: place }, async () =>
        flashTo([card], image, { map: oneRange(image) }),
      );
      expect(flashed?.error).toMatchObject({
        code: "RTK_FLASH_MISMATCH",
        message: expect.stringContaining(`bytes ${7 * HEAD_BYTES} to ${8 * HEAD_BYTES - 1}`) as string,
      });
    });

    it("refuses an image that is another", async () => {
      for (const verify of [true, false]) await refusesDamaged(oneRange(image), 33_000, verify);
    });
  });

  it("refuses an image that is not what its block map says, wherever", async () => {
    for (const place of [33_000, HEAD_BYTES, 7 * HEAD_BYTES]) {
      for (const verify of [true, false]) await refusesDamaged(image.map, place, verify);
    }
  });

  it("refuses an image that became another since it was opened", async () => {
    for (const change of [
      async (path: string) => truncate(path, 8 * HEAD_BYTES),
      async (path: string) => {
        await writeFile(`${path}.new`, image.bytes);
        await rename(`${path}.new`, path);
      },
    ]) {
      const path = join(scratchDir("rtkit-changed-"), "changed.img");
      await writeFile(path, image.bytes);
      const { signal } = new AbortController();
      const opened = await openImage({ path, stdin: 0, signal });
      await change(path);
      const progress = { begin: () => undefined, at: () => undefined, done: () => undefined };
      const card = usedCard();
      const flashing = flash({ image: opened, map: undefined, patches: [], verify: true, signal }, [
        { path: card, chosen: undefined, progress },
      ]);
      await expect(flashing).rejects.toMatchObject({ code: "RTK_FLASH_DAMAGED" });
      expect(await holds(card, image)).toBe(false);
    }
  });

  async function refusesDamaged(map: TestImage["map"], place: number, verify: boolean): Promise<void> {
    const path = join(scratchDir("rtkit-damaged-"), "damaged.img");
    const bytes = Buffer.from(image.bytes);
    bytes[place] = (bytes[place] ?? 0) ^ 1;
    await writeFile(path, bytes);
    const card = usedCard();
    await expect(flashTo([card], image, { path, map, verify }), `${place}`).rejects.toMatchObject({
      code: "RTK_FLASH_DAMAGED",
    });
    expect(isBootable(await readFile(card))).toBe(false);
  }

  it("patches what is patched, in the head and behind it", async () => {
    const card = usedCard();
    const patches = [40_000, HEAD_BYTES + 100].map((offset) => ({ offset, bytes: Buffer.from("hostname=arm\n") }));
    expect(await flashTo([card], image, { patches })).toMatchObject([{ verified: true }]);
    const expected = Buffer.from(image.bytes);
    for (const { offset, bytes } of patches) bytes.copy(expected, offset);
    expect((await readFile(card)).subarray(0, expected.length).equals(expected)).toBe(true);
  });

  it("stopped after any of its writes, leaves nothing that starts, or the whole image", async () => {
    let ended = false;
    let stops = 0;
    for (let writes = 1; !ended; writes += 1) {
      const card = usedCard();
      const [flashed] = await withFaults(card, { STOP: writes }, async () => flashTo([card], image));
      const disk = await readFile(card);
      ended = flashed?.error === undefined;
      if (!ended) expect(flashed?.error?.code).toBe("RTK_FLASH_WRITER");
      // The last write may be the one that it was stopped after: then it was not told that all went well.
      const whole = await holds(card, image);
      if (ended) expect(whole).toBe(true);
      else stops += 1;
      expect(isBootable(disk), `after ${writes} writes`).toBe(whole);
    }
    expect(stops).toBeGreaterThan(8);
  });

  it("leaves what was there while it is not the one to write: a disk that is too small", async () => {
    const card = usedCard(image.bytes.length - 512);
    const before = await readFile(card);
    const [flashed] = await flashTo([card], image);
    expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_TOO_SMALL" });
    expect((await readFile(card)).equals(before)).toBe(true);
  });

  it("fits a disk that is exactly as large", async () => {
    const card = usedCard(image.bytes.length);
    expect(await flashTo([card], image)).toMatchObject([{ verified: true, error: undefined }]);
  });

  it("finds out on the way that an image of unknown size is too large, and leaves nothing that starts", async () => {
    const card = usedCard(8 * 1024 ** 2);
    const signal = new AbortController().signal;
    const opened = await openImage({ path: "-", stdin: openSync(image.path, "r"), signal });
    const [flashed] = await flash({ image: opened, map: undefined, patches: [], verify: true, signal }, [
      {
        path: card,
        chosen: undefined,
        progress: { begin: () => undefined, at: () => undefined, done: () => undefined },
      },
    ]);
    expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_TOO_SMALL" });
    expect(isBootable(await readFile(card))).toBe(false);
  });

  describe("that is bad", () => {
    // In a file system, in the head, in the first sector.
    for (const place of [7 * 1024 ** 2 + 5, 33_000, 100]) {
      it(`catches a bit that turns at byte ${place} on its way, names the place, and leaves nothing that starts`, async () => {
        const card = usedCard();
        const [flashed] = await withFaults(card, { FLIP: place }, async () => flashTo([card], image));
        expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_MISMATCH" });
        const [, from, to] = /bytes (\d+) to (\d+)/.exec(flashed?.error?.message ?? "") ?? [];
        expect(place).toBeGreaterThanOrEqual(Number(from));
        expect(place).toBeLessThanOrEqual(Number(to));
        expect(Number(to) - Number(from)).toBeLessThan(1024 ** 2);
        expect(isBootable(await readFile(card))).toBe(false);
      });
    }

    it("names the range where it was not copied as it is, but patched", async () => {
      const card = usedCard();
      const patches = [{ offset: 6 * 1024 ** 2, bytes: Buffer.from("hostname=arm\n") }];
      const [flashed] = await withFaults(card, { FLIP: 7 * 1024 ** 2 }, async () =>
        flashTo([card], image, { patches }),
      );
      const range = image.map.ranges[3] ?? { offset: NaN, length: NaN };
      expect(flashed?.error).toMatchObject({
        code: "RTK_FLASH_MISMATCH",
        message: expect.stringContaining(`bytes ${range.offset} to ${range.offset + range.length - 1}`) as string,
      });
    });

    it("does not look with verify off", async () => {
      const card = usedCard();
      const flashed = await withFaults(card, { FLIP: 7 * 1024 ** 2 }, async () =>
        flashTo([card], image, { verify: false }),
      );
      expect(flashed).toMatchObject([{ verified: false, error: undefined }]);
      expect(await holds(card, image)).toBe(false);
      expect(isBootable(await readFile(card))).toBe(true);
    });

    it("catches one that claims more room than it has", async () => {
      const card = usedCard();
      const [flashed] = await withFaults(card, { SIZE: 8 * 1024 ** 2 }, async () => flashTo([card], image));
      expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_MISMATCH", hint: expect.stringContaining("less room") });
      expect(isBootable(await readFile(card))).toBe(false);
    });

    it("gives up on a place that cannot be written, and names it", async () => {
      const card = usedCard();
      const [flashed] = await withFaults(card, { EIO: 6 * 1024 ** 2 }, async () => flashTo([card], image));
      expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_IO", message: expect.stringContaining("EIO") });
      expect(isBootable(await readFile(card))).toBe(false);
    });

    it("tries again when a write fails in passing", async () => {
      const card = usedCard();
      const flashed = await withFaults(card, { EIO: 6 * 1024 ** 2, TIMES: 2 }, async () => flashTo([card], image));
      expect(flashed).toMatchObject([{ verified: true, error: undefined }]);
      expect(await holds(card, image)).toBe(true);
    });

    it("says that it is gone when it was pulled out", async () => {
      for (const writes of [1, 3, 6]) {
        const card = usedCard();
        const [flashed] = await withFaults(card, { GONE: writes }, async () => flashTo([card], image));
        expect(flashed?.error, `${writes}`).toMatchObject({ code: "RTK_FLASH_GONE" });
      }
    });

    it("does not disturb others", async () => {
      const cards = [usedCard(), usedCard(), usedCard(1024 ** 2)];
      const bad = cards[0] ?? "";
      const flashed = await withFaults(bad, { GONE: 6 }, async () => flashTo(cards, image));
      expect(flashed.map(({ error }) => error?.code)).toEqual(["RTK_FLASH_GONE", undefined, "RTK_FLASH_TOO_SMALL"]);
      expect(await holds(cards[1] ?? "", image)).toBe(true);
    });

    it("says when there is none", async () => {
      const card = usedCard();
      await rm(card);
      const [flashed] = await flashTo([card], image);
      expect(flashed?.error).toMatchObject({ code: "RTK_FLASH_GONE" });
    });
  });

  it("leaves nothing that starts when it is interrupted, whenever", async () => {
    for (const phase of ["wipe", "write", "clear", "sync", "verify", "finish"]) {
      const card = usedCard();
      const abort = new AbortController();
      const opened = await openImage({ path: image.path, stdin: 0, signal: abort.signal });
      const reason = new Error("interrupted");
      await expect(
        flash({ image: opened, map: image.map, patches: [], verify: true, signal: abort.signal }, [
          {
            path: card,
            chosen: undefined,
            progress: {
              begin: (now) => {
                if (now === phase) abort.abort(reason);
              },
              at: () => undefined,
              done: () => undefined,
            },
          },
        ]),
        phase,
      ).rejects.toBe(reason);
      const disk = await readFile(card);
      const untouched = phase === "wipe" && isBootable(disk);
      expect(untouched || !isBootable(disk), phase).toBe(true);
    }
  });
});
