import { describe, expect, it } from "vitest";
import { parseDumpe2fs } from "../../src/image/ext4.ts";

/** Cut from what dumpe2fs 1.47.2 prints. */
const printed = `Filesystem volume name:   root
Free blocks:              12

Group 0: (Blocks 0-32767) csum 0xc1a9 [ITABLE_ZEROED]
  Primary superblock at 0, Group descriptors at 1-1
  0 free blocks, 0 free inodes, 1106 directories
  Free blocks: 
  Free inodes: 
Group 1: (Blocks 32768-65535) csum 0x7083 [ITABLE_ZEROED]
  9 free blocks, 12 free inodes, 0 directories
  Free blocks: 32770-32775, 33000, 65534-65535
  Free inodes: 9-20
Group 2: (Blocks 65536-65600) csum 0x7083 [INODE_UNINIT, BLOCK_UNINIT]
  65 free blocks, 12 free inodes, 0 directories
  Free blocks: 65536-65600
  Free inodes: 9-20
`;

describe("parseDumpe2fs", () => {
  it("takes all blocks but the free ones", () => {
    expect(parseDumpe2fs(printed)).toEqual([
      { first: 0, last: 32_769 },
      { first: 32_776, last: 32_999 },
      { first: 33_001, last: 65_533 },
    ]);
  });

  it("does not guess at another program's output", () => {
    expect(() => parseDumpe2fs("Group 0: nothing\n")).toThrow("unknown output of dumpe2fs");
    expect(() => parseDumpe2fs("nothing\n")).toThrow("unknown output of dumpe2fs");
  });
});
