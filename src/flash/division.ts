import { HEAD_BYTES, SLICE_BYTES, type SourceExtent } from "./extents.ts";
import type { ImageSource } from "./image.ts";
import { isPatched, type Patch } from "./settings-patch.ts";

/** Who brings which parts of an image to a disk. */
export interface Division {
  /** These go through us: the head, which is written last, what is patched, and all of an image that is unpacked here. */
  readonly sent: readonly SourceExtent[];
  /** These the disk's writer reads by itself. */
  readonly copied: readonly SourceExtent[];
}

/** Divides an image, or what its block map's `ranges` say of it. */
export function divide(
  { file, size }: Pick<ImageSource, "file" | "size">,
  ranges: readonly SourceExtent[] | undefined,
  patches: readonly Patch[],
): Division {
  if (file === undefined || size === undefined) {
    return { sent: ranges ?? [{ offset: 0, length: Infinity, sha256: undefined }], copied: [] };
  }
  const all = ranges ?? slices(size);
  const mustBeSent = (extent: SourceExtent): boolean => extent.offset < HEAD_BYTES || isPatched(extent, patches);
  return { sent: all.filter(mustBeSent), copied: all.filter((extent) => !mustBeSent(extent)) };
}

/** The head, and the rest up to each multiple of {@link SLICE_BYTES}. */
function slices(size: number): SourceExtent[] {
  const starts = [0, HEAD_BYTES];
  for (let at = SLICE_BYTES; at < size; at += SLICE_BYTES) starts.push(at);
  return starts
    .filter((start) => start < size)
    .map((offset, index) => ({
      offset,
      length: Math.min(starts[index + 1] ?? size, size) - offset,
      sha256: undefined,
    }));
}
