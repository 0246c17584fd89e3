/** The smallest 64-bit little-endian ELF file with one program header (elf(5)). */
export function elf(fields: { type: number; machine: number; interpreter: string | null }): Uint8Array {
  const text = Buffer.from(fields.interpreter === null ? "" : `${fields.interpreter}\0`, "latin1");
  const bytes = new Uint8Array(64 + 56 + text.length);
  const view = new DataView(bytes.buffer);
  bytes.set([0x7f, 0x45, 0x4c, 0x46, 2, 1, 1]);
  view.setUint16(16, fields.type, true);
  view.setUint16(18, fields.machine, true);
  view.setBigUint64(32, 64n, true);
  view.setUint16(54, 56, true);
  view.setUint16(56, 1, true);
  view.setUint32(64, fields.interpreter === null ? 1 : 3, true);
  view.setBigUint64(72, 120n, true);
  view.setBigUint64(96, BigInt(text.length), true);
  bytes.set(text, 120);
  return bytes;
}
