import { usageError, type RtkitError } from "../core/errors.ts";

/** What an ELF header says that decides whether a board can run the file. See elf(5). */
export interface ElfHeader {
  readonly bits: 32 | 64;
  readonly endianness: "little" | "big";
  /** e_machine: 183 is EM_AARCH64, 62 is EM_X86_64. */
  readonly machine: number;
  /** e_type: 2 is ET_EXEC, 3 is ET_DYN (also position independent executables). */
  readonly type: number;
  /** PT_INTERP: the dynamic loader; null for a static executable. */
  readonly interpreter: string | null;
  /** DT_NEEDED: the shared libraries it asks for by their names. */
  readonly needed: readonly string[];
}

/** A program header, elf(5): a piece of the file, and where it is in memory. */
interface Segment {
  readonly type: number;
  readonly offset: number;
  readonly address: number;
  readonly size: number;
}

const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ELFDATA2MSB = 2;
const PT_LOAD = 1;
const PT_DYNAMIC = 2;
const PT_INTERP = 3;
const DT_NEEDED = 1;
const DT_STRTAB = 5;
/** PATH_MAX of Linux (linux/limits.h): a longer interpreter cannot be opened. */
const PATH_MAX = 4096;

/**
 * Reads the header of an ELF file of any class and byte order. Of 32-bit and big-endian files interpreter and
 * libraries are not read (null, none). Throws RTK_BUNDLE_NOT_ELF when it is no ELF file or is cut off.
 */
export function parseElf(bytes: Uint8Array, file: string): ElfHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint32(0) !== 0x7f454c46) throw notElf(bytes, file);
  const bits = { [ELFCLASS32]: 32, [ELFCLASS64]: 64 }[bytes[4] ?? 0] as 32 | 64 | undefined;
  const endianness = ({ [ELFDATA2LSB]: "little", [ELFDATA2MSB]: "big" } as const)[bytes[5] ?? 0];
  if (bits === undefined || endianness === undefined || bytes.length < 64) throw damaged(file);
  const little = endianness === "little";
  const header = { bits, endianness, type: view.getUint16(16, little), machine: view.getUint16(18, little) };
  if (bits !== 64 || !little) return { ...header, interpreter: null, needed: [] };
  const segments = readSegments(view, file);
  return { ...header, interpreter: readInterpreter(view, segments, file), needed: readNeeded(view, segments, file) };
}

function readSegments(view: DataView, file: string): Segment[] {
  const table = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  return Array.from({ length: view.getUint16(56, true) }, (_, index) => {
    const at = table + index * entrySize;
    if (entrySize < 56 || at + 56 > view.byteLength) throw damaged(file);
    const number = (offset: number): number => Number(view.getBigUint64(at + offset, true));
    return { type: view.getUint32(at, true), offset: number(8), address: number(16), size: number(32) };
  });
}

function readInterpreter(view: DataView, segments: readonly Segment[], file: string): string | null {
  const interpreter = segments.find(({ type }) => type === PT_INTERP);
  if (interpreter === undefined) return null;
  if (interpreter.size > PATH_MAX || interpreter.offset + interpreter.size > view.byteLength) throw damaged(file);
  return textAt(view, interpreter.offset, interpreter.size, file);
}

function readNeeded(view: DataView, segments: readonly Segment[], file: string): string[] {
  const dynamic = segments.find(({ type }) => type === PT_DYNAMIC);
  if (dynamic === undefined) return [];
  const names: number[] = [];
  let strings = 0;
  for (let at = dynamic.offset; at + 16 <= dynamic.offset + dynamic.size; at += 16) {
    if (at + 16 > view.byteLength) throw damaged(file);
    const value = Number(view.getBigUint64(at + 8, true));
    const tag = Number(view.getBigUint64(at, true));
    if (tag === DT_NEEDED) names.push(value);
    if (tag === DT_STRTAB) strings = value;
  }
  // The table's place is given as it is in memory.
  const load = segments.find(
    ({ type, address, size }) => type === PT_LOAD && strings >= address && strings < address + size,
  );
  const table = load === undefined ? undefined : strings - load.address + load.offset;
  return table === undefined ? [] : names.map((name) => textAt(view, table + name, PATH_MAX, file));
}

/** A text that ends with a NUL, or after `most` bytes. */
function textAt(view: DataView, start: number, most: number, file: string): string {
  if (start > view.byteLength) throw damaged(file);
  const bytes = Buffer.from(view.buffer, view.byteOffset + start, Math.min(most, view.byteLength - start));
  return bytes.toString("latin1").split("\0")[0] ?? "";
}

function notElf(bytes: Uint8Array, file: string): RtkitError {
  const firstLine = Buffer.from(bytes.subarray(0, 80)).toString("latin1").split("\n")[0] ?? "";
  const script = firstLine.startsWith("#!");
  return usageError(
    "RTK_BUNDLE_NOT_ELF",
    script ? `this is a script (${firstLine}), not an executable` : "this is not an executable (no ELF file)",
    {
      where: { file },
      hint: script
        ? "a node is Python (.py), TypeScript or JavaScript (.ts, .js, .mjs), or a compiled executable"
        : "name the linked executable, not a source or an archive",
    },
  );
}

function damaged(file: string): RtkitError {
  return usageError("RTK_BUNDLE_NOT_ELF", "this ELF file is damaged or cut off", {
    where: { file },
    hint: "build or copy it again",
  });
}
