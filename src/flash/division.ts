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
  const sent: SourceExtent[] = [];
  const copied: SourceExtent[] = [];
  for (const extent of ranges ?? slices(size)) {
    const { offset, length, sha256 } = extent;
    const end = offset + length;
    if (end <= HEAD_BYTES || isPatched(extent, patches)) {
      sent.push(extent);
    } else if (offset >= HEAD_BYTES) {
      copied.push(extent);
    } else {
      // Their sum is one: it is made when what is behind the head is copied or verified.
      sent.push({ offset, length: HEAD_BYTES - offset, sha256: undefined });
      copied.push({ offset: HEAD_BYTES, length: end - HEAD_BYTES, sha256, sumFrom: offset });
    }
  }
  return { sent, copied };
}

/** All of an image, up to each multiple of {@link SLICE_BYTES}. */
function* slices(size: number): Generator<SourceExtent> {
  for (let offset = 0; offset < size; offset += SLICE_BYTES) {
    yield { offset, length: Math.min(SLICE_BYTES, size - offset), sha256: undefined };
  }
}
