import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { imageFacts } from "../../../src/cli/flash/image-facts.ts";
import { printBmap } from "../../../src/image/bmap.ts";
import { sha256 } from "../../../src/pipeline/digest.ts";
import { scratchDir } from "../../scratch.ts";
import { sampleManifest } from "../../image/fixtures.ts";

/** Ten blocks and some bytes of which two ranges have to be written, the last block among them. */
const BMAP = printBmap({
  size: 10 * 4096 + 512,
  ranges: [
    { first: 0, last: 1, sha256: "a".repeat(64) },
    { first: 10, last: 10, sha256: "b".repeat(64) },
  ],
});

const MAP = {
  size: 41_472,
  ranges: [
    { offset: 0, length: 8192, sha256: "a".repeat(64) },
    { offset: 40_960, length: 512, sha256: "b".repeat(64) },
  ],
};

async function folder(files: Record<string, string>): Promise<(name: string) => string> {
  const dir = scratchDir("rtkit-facts-");
  for (const [name, text] of Object.entries(files)) await writeFile(join(dir, name), text);
  return (name) => join(dir, name);
}

const manifest = (artifacts: Record<string, { size: number; sha256: string }>): string =>
  JSON.stringify({ ...sampleManifest, artifacts });

const quiet = (message: string): void => {
  throw new Error(`a warning: ${message}`);
};

describe("what is known of an image", () => {
  it("is its block map, by any of the names that block maps have", async () => {
    for (const [image, bmap] of [
      ["x.img", "x.img.bmap"],
      ["x.img.xz", "x.img.bmap"],
      ["x.img.xz", "x.img.xz.bmap"],
      ["x.wic", "x.bmap"],
    ] as const) {
      const at = await folder({ [bmap]: BMAP });
      expect(await imageFacts(at(image), quiet), image).toEqual({ map: MAP, sha256: undefined });
    }
  });

  it("is what the manifest says of it, where there is no block map", async () => {
    const at = await folder({ "manifest.json": manifest({ "x.img": { size: 1, sha256: "c".repeat(64) } }) });
    expect(await imageFacts(at("x.img.zst"), quiet)).toEqual({ map: undefined, sha256: "c".repeat(64) });
    expect(await imageFacts(at("y.img"), quiet)).toEqual({ map: undefined, sha256: undefined });
  });

  it("is nothing where another tool's manifest lies", async () => {
    const at = await folder({ "manifest.json": '{"manifest": "of something else"}' });
    expect(await imageFacts(at("x.img"), quiet)).toEqual({ map: undefined, sha256: undefined });
  });

  it("is the block map that the manifest names, and no other", async () => {
    const right = await folder({
      "x.img.bmap": BMAP,
      "manifest.json": manifest({ "x.img.bmap": { size: BMAP.length, sha256: sha256(BMAP) } }),
    });
    expect((await imageFacts(right("x.img"), quiet)).map).toEqual(MAP);
    const wrong = await folder({
      "x.img.bmap": BMAP,
      "manifest.json": manifest({ "x.img.bmap": { size: BMAP.length, sha256: "d".repeat(64) } }),
    });
    await expect(imageFacts(wrong("x.img"), quiet)).rejects.toMatchObject({ code: "RTK_FLASH_CHECKSUM" });
  });

  it("is no block map of a kind that cannot be used, and a warning", async () => {
    const at = await folder({ "x.img.bmap": BMAP.replace("sha256", "sha1") });
    const warnings: string[] = [];
    expect(await imageFacts(at("x.img"), (message) => warnings.push(message))).toEqual({
      map: undefined,
      sha256: undefined,
    });
    expect(warnings).toEqual([expect.stringContaining("all of the image is written")]);
  });
});
