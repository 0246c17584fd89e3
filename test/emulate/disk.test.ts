import { chmod, mkdtemp, readdir, readFile, rm, stat, symlink, truncate, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { beforeEach, expect, it, onTestFinished } from "vitest";
import { chooseDisk } from "../../src/emulate/disk.ts";

const { signal } = new AbortController();
let dir: string;
let image: string;

beforeEach(async () => {
  dir = await mkdtemp(join(tmpdir(), "rtkit-disk-"));
  image = join(dir, "arm.img");
  await writeFile(image, "bytes");
  await truncate(image, 64 * 1024 ** 2);
  await chmod(image, 0o444);
  onTestFinished(() => rm(dir, { recursive: true, force: true }));
});

it("boots the image itself and throws away what the machine writes", async () => {
  expect(await chooseDisk(image, "", undefined, signal)).toEqual({ path: image, keepWrites: false });
});

it("keeps what the machine writes in a copy that can be written and has the image's holes", async () => {
  const kept = join(dir, "mine.img");
  expect(await chooseDisk(image, "", kept, signal)).toEqual({ path: kept, keepWrites: true });
  const { size, blocks, mode } = await stat(kept);
  expect(size).toBe(64 * 1024 ** 2);
  expect(blocks * 512).toBeLessThan(1024 ** 2);
  expect(mode & 0o200).toBe(0o200);
  expect((await readdir(dir)).toSorted()).toEqual(["arm.img", "mine.img"]);
});

it("boots a kept disk again as it was left", async () => {
  const kept = join(dir, "mine.img");
  await writeFile(kept, "written by the machine");
  await chooseDisk(image, "", kept, signal);
  expect(await readFile(kept, "utf8")).toBe("written by the machine");
});

it("refuses the image as its own copy, also by another name", async () => {
  await symlink(image, join(dir, "link"));
  for (const kept of [image, join(dir, "link")]) {
    await expect(chooseDisk(image, "", kept, signal)).rejects.toMatchObject({
      code: "RTK_EMULATE_DISK_IS_IMAGE",
      exitStatus: 2,
    });
  }
});

it("does not make the folder of a copy", async () => {
  await expect(chooseDisk(image, "", join(dir, "none", "mine.img"), signal)).rejects.toMatchObject({
    code: "RTK_EMULATE_DISK_FOLDER",
    exitStatus: 2,
  });
});

it("says how to build an image that is not there", async () => {
  await expect(chooseDisk(join(dir, "none.img"), "rtkit build --board rpi4", undefined, signal)).rejects.toMatchObject({
    code: "RTK_EMULATE_NO_IMAGE",
    hint: "run: rtkit build --board rpi4",
    exitStatus: 2,
  });
});
