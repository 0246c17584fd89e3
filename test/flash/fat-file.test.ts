import * as fc from "fast-check";
import { beforeEach, describe, expect, it } from "vitest";
import { findFatFile } from "../../src/flash/fat-file.ts";
import { scratchDir } from "../scratch.ts";
import { makeFatImage, onDisk, replaceFile } from "./fat-images.ts";

let dir: string;
beforeEach(() => {
  dir = scratchDir("rtkit-fat-");
});

/** The bytes at the ranges of a found file. */
function read(image: Buffer, name: string): Buffer {
  const found = findFatFile(image, name);
  if ("missing" in found) throw new Error(found.missing);
  return Buffer.concat(found.ranges.map(({ offset, length }) => image.subarray(offset, offset + length)));
}

const fileName = fc
  .tuple(
    fc.stringMatching(/^[a-z][a-z0-9 _.-]{0,40}[a-z0-9]$/),
    fc.constantFrom("", ".txt", ".conf", ".X", " in Büchern.txt"),
  )
  .map(([stem, ending]) => `${stem}${ending}`);
const files = fc.uniqueArray(
  fc.record({ name: fileName, content: fc.uint8Array({ maxLength: 9000 }).map((bytes) => Buffer.from(bytes)) }),
  { minLength: 1, maxLength: 12, selector: ({ name }) => name.toLowerCase() },
);

describe("findFatFile", () => {
  it("finds every file of file systems that mkfs.vfat and mtools made, bare and on disks", async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.constantFrom(12 as const, 16 as const, 32 as const),
        fc.constantFrom(1, 2, 4),
        files,
        fc.constantFrom(null, "dos" as const, "gpt" as const),
        async (bits, clusterSectors, wanted, label) => {
          const fat = await makeFatImage(dir, { bits, clusterSectors, files: wanted });
          const image = label === null ? fat : await onDisk(dir, label, fat);
          for (const { name, content } of wanted) expect(read(image, name).equals(content)).toBe(true);
          expect(findFatFile(image, "not-there.txt")).toEqual({ missing: "file" });
        },
      ),
      { numRuns: 15 },
    );
  });

  it("follows a file that lies in pieces", async () => {
    const shape = { bits: 16, clusterSectors: 1 } as const;
    await makeFatImage(dir, {
      ...shape,
      files: [
        { name: "gap", content: Buffer.alloc(600, 1) },
        { name: "wall", content: Buffer.alloc(512, 2) },
      ],
    });
    const content = Buffer.from(Array.from({ length: 3000 }, (_, index) => index % 251));
    const image = await replaceFile(dir, "gap", "settings file.txt", content);
    expect(read(image, "SETTINGS FILE.TXT").equals(content)).toBe(true);
    const found = findFatFile(image, "settings file.txt");
    expect("ranges" in found && found.ranges.length).toBe(2);
  });

  it("takes a deleted file, a folder and the volume's label for no file", async () => {
    const fat = await makeFatImage(dir, {
      bits: 32,
      clusterSectors: 1,
      files: [{ name: "gone.txt", content: Buffer.from("x") }],
    });
    expect(findFatFile(fat, "boot")).toEqual({ missing: "file" });
    const without = await replaceFile(dir, "gone.txt", "other.txt", Buffer.from("y"));
    expect(findFatFile(without, "gone.txt")).toEqual({ missing: "file" });
  });

  it("says that a file is not all in a head that ends before it does", async () => {
    const content = Buffer.alloc(5000, 7);
    const fat = await makeFatImage(dir, { bits: 16, clusterSectors: 1, files: [{ name: "a.txt", content }] });
    const found = findFatFile(fat, "a.txt");
    const end = "ranges" in found ? Math.max(...found.ranges.map(({ offset, length }) => offset + length)) : 0;
    expect(findFatFile(fat.subarray(0, end), "a.txt")).toEqual(found);
    expect(findFatFile(fat.subarray(0, end - 1), "a.txt")).toEqual({ missing: "beyond" });
  });

  it("finds no file system in an empty, a short and a random image", () => {
    expect(findFatFile(Buffer.alloc(0), "a")).toEqual({ missing: "file system" });
    expect(findFatFile(Buffer.alloc(4096), "a")).toEqual({ missing: "file system" });
    fc.assert(
      fc.property(fc.uint8Array({ minLength: 600, maxLength: 4096 }), (bytes) => {
        const image = Buffer.from(bytes);
        image.writeUInt16LE(0xaa55, 510);
        expect(findFatFile(image, "a")).toHaveProperty("missing");
      }),
    );
  });

  it("ends, and throws nothing, on file systems with any byte changed", async () => {
    const shape = { clusterSectors: 1, files: [{ name: "long file name.txt", content: Buffer.alloc(3000, 1) }] };
    const fat = await makeFatImage(dir, { bits: 16, ...shape });
    const found = findFatFile(fat, "long file name.txt");
    const begin = "ranges" in found ? (found.ranges[0]?.offset ?? 0) : 0;
    fc.assert(
      fc.property(fc.nat(begin - 1), fc.nat(255), (at, byte) => {
        const image = Buffer.from(fat);
        image.writeUInt8(byte, at);
        const result = findFatFile(image, "long file name.txt");
        for (const { offset, length } of "ranges" in result ? result.ranges : []) {
          expect(offset >= 0 && offset + length <= image.length).toBe(true);
        }
      }),
      { numRuns: 300 },
    );
  });
});
