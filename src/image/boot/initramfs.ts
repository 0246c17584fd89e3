/** What the kernel needs to unpack a part that starts with these bytes (lib/decompress.c). */
const MAGICS: readonly { readonly bytes: readonly number[]; readonly option: string }[] = [
  { bytes: [0x1f, 0x8b], option: "CONFIG_RD_GZIP" },
  { bytes: [0x28, 0xb5, 0x2f, 0xfd], option: "CONFIG_RD_ZSTD" },
  { bytes: [0xfd, 0x37, 0x7a, 0x58, 0x5a, 0x00], option: "CONFIG_RD_XZ" },
  { bytes: [0x02, 0x21, 0x4c, 0x18], option: "CONFIG_RD_LZ4" },
  { bytes: [0x5d, 0x00], option: "CONFIG_RD_LZMA" },
  { bytes: [0x42, 0x5a, 0x68], option: "CONFIG_RD_BZIP2" },
  { bytes: [0x89, 0x4c, 0x5a, 0x4f], option: "CONFIG_RD_LZO" },
];

const CPIO_HEADER = 110;

/**
 * The kernel options that an initramfs's parts need, in order: null for a plain cpio archive, `CONFIG_RD_…` for a
 * compressed part, which is looked at no further. Undefined when it is no initramfs.
 * Format: Documentation/driver-api/early-userspace/buffer-format.rst.
 */
export function initramfsCompressions(bytes: Uint8Array): (string | null)[] | undefined {
  const parts: (string | null)[] = [];
  let offset = 0;
  while (offset < bytes.length) {
    if (bytes[offset] === 0) {
      offset += 1;
      continue;
    }
    const magic = MAGICS.find((candidate) => candidate.bytes.every((byte, index) => bytes[offset + index] === byte));
    if (magic !== undefined) return [...parts, magic.option];
    const end = cpioEnd(bytes, offset);
    if (end === undefined) return undefined;
    parts.push(null);
    offset = end;
  }
  return parts.length === 0 ? undefined : parts;
}

/** Where the "newc" cpio archive at `offset` ends, or undefined when there is none. */
function cpioEnd(bytes: Uint8Array, offset: number): number | undefined {
  for (let at = offset; at + CPIO_HEADER <= bytes.length;) {
    const header = ascii(bytes, at, CPIO_HEADER);
    if (!/^07070[12][0-9A-Fa-f]{104}$/.test(header)) return undefined;
    const field = (index: number): number => Number.parseInt(header.slice(6 + index * 8, 14 + index * 8), 16);
    const [size, nameSize] = [field(6), field(11)];
    const name = ascii(bytes, at + CPIO_HEADER, nameSize - 1);
    at = align4(align4(at + CPIO_HEADER + nameSize - offset) + size) + offset;
    if (name === "TRAILER!!!") return at;
  }
  return undefined;
}

function ascii(bytes: Uint8Array, start: number, length: number): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength).toString("latin1", start, start + length);
}

function align4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
