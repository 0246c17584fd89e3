import { readFile } from "node:fs/promises";
import { basename, dirname, join } from "node:path";
import { RtkitError } from "../../core/errors.ts";
import type { CheckedExtent } from "../../flash/extents.ts";
import { BLOCK_SIZE } from "../../image/block-map.ts";
import { parseBmap } from "../../image/bmap.ts";
import { parseManifest } from "../../image/manifest.ts";
import { sha256 } from "../../pipeline/digest.ts";

/** What files beside an image say of it. */
export interface ImageFacts {
  readonly map: { readonly size: number; readonly ranges: readonly CheckedExtent[] } | undefined;
  /** Of the image in hex, where only that can check it: the checksums of a block map say more. */
  readonly sha256: string | undefined;
}

const PACKED = /\.(?:gz|zst|xz|bz2|zip)$/;

/**
 * Looks for a block map (`x.img.bmap`, for `x.img.xz` too, or `x.bmap` as bmaptool looks for it) and rtkit's
 * manifest.json. A block map of a kind that cannot be used counts as none, with a warning.
 * Throws RTK_FLASH_CHECKSUM when the map is not the one that belongs to the manifest's image.
 */
export async function imageFacts(path: string, warn: (message: string) => void): Promise<ImageFacts> {
  const unpacked = path.replace(PACKED, "");
  const bmaps = new Set([`${path}.bmap`, `${unpacked}.bmap`, `${unpacked.replace(/\.[^./]+$/, "")}.bmap`]);
  const artifacts = await readArtifacts(dirname(path));
  for (const file of bmaps) {
    const text = await readFile(file, "utf8").catch(() => undefined);
    if (text === undefined) continue;
    const wanted = artifacts?.[basename(file)]?.sha256;
    if (wanted !== undefined && wanted !== sha256(text)) {
      throw new RtkitError("RTK_FLASH_CHECKSUM", `${file} is not the block map that manifest.json names`, {
        hint: "build the image again",
      });
    }
    const map = usable(file, text, warn);
    if (map !== undefined) return { map, sha256: undefined };
  }
  return { map: undefined, sha256: artifacts?.[basename(unpacked)]?.sha256 };
}

function usable(file: string, text: string, warn: (message: string) => void): ImageFacts["map"] {
  try {
    const { size, ranges } = parseBmap(text);
    return {
      size,
      ranges: ranges.map(({ first, last, sha256: sum }) => {
        const offset = first * BLOCK_SIZE;
        return { offset, length: Math.min((last + 1) * BLOCK_SIZE, size) - offset, sha256: sum };
      }),
    };
  } catch (error) {
    if (!(error instanceof RtkitError)) throw error;
    warn(`${file}: ${error.message}; all of the image is written`);
    return undefined;
  }
}

async function readArtifacts(dir: string): Promise<Readonly<Record<string, { sha256: string }>> | undefined> {
  const text = await readFile(join(dir, "manifest.json"), "utf8").catch(() => undefined);
  if (text === undefined) return undefined;
  try {
    return parseManifest(text).artifacts;
  } catch {
    // Another tool's manifest: it says nothing to us.
    return undefined;
  }
}
