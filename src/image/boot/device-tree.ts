const BEGIN_NODE = 1;
const END_NODE = 2;
const PROP = 3;
const NOP = 4;

/**
 * The root node's `compatible` strings of a flattened device tree, or undefined when the bytes are none.
 * Format: Devicetree Specification 0.4, chapter 5.
 */
export function compatibleOf(bytes: Uint8Array): string[] | undefined {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  if (data.length < 40 || data.readUInt32BE(0) !== 0xd00dfeed || data.readUInt32BE(4) !== data.length) return undefined;
  const strings = data.readUInt32BE(12);
  let at = data.readUInt32BE(8);
  for (let depth = 0; at + 4 <= data.length;) {
    const token = data.readUInt32BE(at);
    at += 4;
    if (token === BEGIN_NODE) {
      depth += 1;
      // The root's properties come before its children.
      if (depth > 1) return [];
      at = align4(data.indexOf(0, at) + 1);
    } else if (token === PROP) {
      const length = data.readUInt32BE(at);
      const name = strings + data.readUInt32BE(at + 4);
      if (data.toString("latin1", name, data.indexOf(0, name)) === "compatible") {
        return data.toString("latin1", at + 8, at + 8 + length - 1).split("\0");
      }
      at = align4(at + 8 + length);
    } else if (token === END_NODE) return [];
    else if (token !== NOP) return undefined;
  }
  return undefined;
}

/** Where a tree says what `dtparam=` changes in it (Raspberry Pi documentation, device-tree.adoc, "Board-specific labels and parameters"). */
const PARAMETERS = Buffer.from("\0\0\0\x01__overrides__\0", "latin1");

/** Whether a flattened device tree has parameters: mainline's, which Debian has, have none. */
export function hasParameters(tree: Uint8Array): boolean {
  return Buffer.from(tree.buffer, tree.byteOffset, tree.byteLength).includes(PARAMETERS);
}

function align4(value: number): number {
  return Math.ceil(value / 4) * 4;
}
