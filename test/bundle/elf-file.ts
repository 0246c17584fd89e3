/** Where these files are in memory: not where they are in the file, so that one is not taken for the other. */
const ADDRESS = 0x10000;

const PT_NULL = 0;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NULL = 0;
const DT_NEEDED = 1;
const DT_STRTAB = 5;

/** The smallest 64-bit little-endian ELF file that has these (elf(5)): a header, three segments, what they hold. */
export function elf(fields: {
  readonly type: number;
  readonly machine: number;
  readonly interpreter: string | null;
  readonly needed?: readonly string[];
}): Uint8Array {
  const { interpreter, needed = [] } = fields;
  const loader = Buffer.from(interpreter === null ? "" : `${interpreter}\0`, "latin1");
  const strings = Buffer.from(["", ...needed, ""].join("\0"), "latin1");
  const loaderAt = 64 + 3 * 56;
  const stringsAt = loaderAt + loader.length;
  const dynamicAt = stringsAt + strings.length;
  const dynamic = words([
    ...needed.flatMap((name) => [DT_NEEDED, strings.indexOf(`\0${name}\0`) + 1]),
    DT_STRTAB,
    ADDRESS + stringsAt,
    DT_NULL,
    0,
  ]);
  const bytes = Buffer.alloc(dynamicAt + dynamic.length);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  bytes.writeUInt16LE(fields.type, 16);
  bytes.writeUInt16LE(fields.machine, 18);
  bytes.writeBigUInt64LE(64n, 32);
  bytes.writeUInt16LE(56, 54);
  bytes.writeUInt16LE(3, 56);
  bytes.set(segment(PT_LOAD, 0, bytes.length), 64);
  bytes.set(segment(interpreter === null ? PT_NULL : PT_INTERP, loaderAt, loader.length), 64 + 56);
  bytes.set(segment(needed.length === 0 ? PT_NULL : PT_DYNAMIC, dynamicAt, dynamic.length), 64 + 2 * 56);
  bytes.set(loader, loaderAt);
  bytes.set(strings, stringsAt);
  bytes.set(dynamic, dynamicAt);
  return new Uint8Array(bytes);
}

function segment(type: number, offset: number, size: number): Buffer {
  const header = Buffer.alloc(56);
  header.writeUInt32LE(type, 0);
  header.writeBigUInt64LE(BigInt(offset), 8);
  header.writeBigUInt64LE(BigInt(ADDRESS + offset), 16);
  header.writeBigUInt64LE(BigInt(size), 32);
  return header;
}

function words(numbers: readonly number[]): Buffer {
  return Buffer.from(BigUint64Array.from(numbers.map(BigInt)).buffer);
}
