import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import type { Board } from "../../src/config/model.ts";
import { RtkitError, RtkitErrors } from "../../src/core/errors.ts";
import { diskIdentity } from "../../src/image/identity.ts";
import { ALIGNMENT, layOut, partitionOf, type Layout, type PartitionContents } from "../../src/image/layout.ts";
import { partition, rpi4, sixPartitions } from "./fixtures.ts";

const MIB = 1024 ** 2;
const small: PartitionContents = {
  boot: { bytes: 30 * MIB, entries: 12 },
  root: { bytes: 724 * MIB, entries: 17_478 },
  data: { bytes: MIB, entries: 10 },
};

function place(board: Board, contents = small): Layout {
  return layOut(board, diskIdentity("arm", board), contents);
}

function failure(work: () => unknown): RtkitError {
  try {
    work();
  } catch (error) {
    if (error instanceof RtkitError) return error;
    if (error instanceof RtkitErrors) throw new Error(`several: ${error.message}`, { cause: error });
    throw error;
  }
  throw new Error("nothing was thrown");
}

describe("layOut", () => {
  it("puts the partitions of a Raspberry Pi side by side, from 4 MiB on", () => {
    const { partitions, size } = place(rpi4);
    expect(partitions.map(({ name, start }) => [name, start / MIB])).toEqual([
      ["BOOT", 4],
      ["root", 52],
      ["data", 904],
    ]);
    expect(size / MIB).toBe(952);
  });

  it("leaves room for boot records of logical partitions and for the copy of a GPT", () => {
    const board = { ...rpi4, partitions: sixPartitions };
    const contents = { ...small, boot: { bytes: MIB, entries: 1 }, root: { bytes: MIB, entries: 1 } };
    const mbr = place(board, contents).partitions.map(({ start }) => start / MIB);
    expect(mbr).toEqual([4, 52, 100, 152, 204, 256]);
    const gpt = place({ ...board, partitionTable: "gpt" }, contents);
    expect(gpt.partitions.map(({ start }) => start / MIB)).toEqual([4, 52, 100, 148, 196, 244]);
    expect(gpt.size / MIB).toBe(296);
  });

  it("keeps partitions aligned, in order and apart, and gives auto at least content and spare", () => {
    const anyPartition = fc.record({
      content: fc.constantFrom("root" as const, "data" as const, "empty" as const),
      filesystem: fc.constantFrom("ext4" as const, "fat32" as const),
      spare: fc.integer({ min: 0, max: 2 ** 30 }),
    });
    const contents = fc.record({
      bytes: fc.integer({ min: 0, max: 2 ** 33 }),
      entries: fc.integer({ min: 0, max: 200_000 }),
    });
    fc.assert(
      fc.property(
        fc.array(anyPartition, { minLength: 1, maxLength: 9 }),
        contents,
        fc.constantFrom("mbr" as const, "gpt" as const),
        (drafts, content, table) => {
          const partitions = drafts.map((draft, index) => partition({ name: `p${index}`, ...draft }));
          const layout = place(
            { ...rpi4, partitionTable: table, partitions },
            { boot: content, root: content, data: content },
          );
          let end = ALIGNMENT;
          for (const [index, placed] of layout.partitions.entries()) {
            expect(placed.start).toBeGreaterThanOrEqual(placed.logical ? end + ALIGNMENT : end);
            expect([placed.start % ALIGNMENT, placed.size % ALIGNMENT]).toEqual([0, 0]);
            const needed = (placed.content === "empty" ? 0 : content.bytes) + (partitions[index]?.spare ?? 0);
            expect(placed.size).toBeGreaterThan(needed);
            end = placed.start + placed.size;
          }
          expect(layout.size).toBe(table === "gpt" ? end + ALIGNMENT : end);
        },
      ),
    );
  });

  it("refuses a fixed size that is too small, with both figures", () => {
    const tight = rpi4.partitions.map((each) => (each.name === "root" ? { ...each, size: 512 * MIB } : each));
    const error = failure(() => place({ ...rpi4, partitions: tight }));
    expect(error.code).toBe("RTK_IMAGE_TOO_SMALL");
    expect(error.message).toBe("partition root of board rpi4 is 512 MiB, but its content needs 844 MiB");
    expect(error.exitStatus).toBe(2);
  });

  it("refuses what an MBR cannot reach", () => {
    const huge = [...rpi4.partitions, partition({ name: "logs", content: "empty", size: 2 ** 42 })];
    const error = failure(() => place({ ...rpi4, partitions: huge }));
    expect(error.code).toBe("RTK_IMAGE_LAYOUT");
    expect(error.message).toBe("the partition table of board rpi4 needs 4.0 TiB, but an MBR reaches 2.0 TiB");
  });

  it("says all that is wrong at once", () => {
    const wrong = rpi4.partitions.map((each) => ({ ...each, size: 8 * MIB }));
    expect(() => place({ ...rpi4, partitions: wrong })).toThrow(RtkitErrors);
  });
});

it("partitionOf names the missing kind", () => {
  expect(failure(() => partitionOf([{ content: "boot" as const }], "root")).message).toBe(
    "the board has no root partition",
  );
});
