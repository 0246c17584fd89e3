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
}

const ELFCLASS32 = 1;
const ELFCLASS64 = 2;
const ELFDATA2LSB = 1;
const ELFDATA2MSB = 2;
const PT_INTERP = 3;
/** PATH_MAX of Linux (linux/limits.h): a longer interpreter cannot be opened. */
const PATH_MAX = 4096;

/**
 * Reads the header of an ELF file of any class and byte order. Of 32-bit and big-endian files the interpreter is not
 * read (null). Throws RTK_BUNDLE_NOT_ELF when it is no ELF file or is cut off.
 */
export function parseElf(bytes: Uint8Array, file: string): ElfHeader {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (bytes.length < 4 || view.getUint32(0) !== 0x7f454c46) throw notElf(bytes, file);
  const bits = { [ELFCLASS32]: 32, [ELFCLASS64]: 64 }[bytes[4] ?? 0] as 32 | 64 | undefined;
  const endianness = ({ [ELFDATA2LSB]: "little", [ELFDATA2MSB]: "big" } as const)[bytes[5] ?? 0];
  if (bits === undefined || endianness === undefined || bytes.length < 64) throw damaged(file);
  const little = endianness === "little";
  const header = { bits, endianness, type: view.getUint16(16, little), machine: view.getUint16(18, little) };
  return { ...header, interpreter: bits === 64 && little ? readInterpreter(view, file) : null };
}

function readInterpreter(view: DataView, file: string): string | null {
  const table = Number(view.getBigUint64(32, true));
  const entrySize = view.getUint16(54, true);
  const entries = view.getUint16(56, true);
  for (let index = 0; index < entries; index += 1) {
    const at = table + index * entrySize;
    if (entrySize < 56 || at + 56 > view.byteLength) throw damaged(file);
    if (view.getUint32(at, true) !== PT_INTERP) continue;
    const start = Number(view.getBigUint64(at + 8, true));
    const size = Number(view.getBigUint64(at + 32, true));
    if (size > PATH_MAX || start + size > view.byteLength) throw damaged(file);
    const text = Buffer.from(view.buffer, view.byteOffset + start, size).toString("latin1");
    return text.split("\0")[0] ?? "";
  }
  return null;
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
