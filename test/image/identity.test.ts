import * as fc from "fast-check";
import { describe, expect, it } from "vitest";
import { diskIdentity, uuidOf } from "../../src/image/identity.ts";
import { rpi4, sixPartitions } from "./fixtures.ts";

describe("diskIdentity", () => {
  it("names partitions of an MBR by signature and number, in hex", () => {
    const { diskId, partitions } = diskIdentity("arm", rpi4);
    expect(diskId).toMatch(/^[0-9a-f]{8}$/);
    expect(partitions.map(({ partUuid }) => partUuid)).toEqual([`${diskId}-01`, `${diskId}-02`, `${diskId}-03`]);
    expect(partitions[0]?.fsUuid).toMatch(/^[0-9A-F]{4}-[0-9A-F]{4}$/);
    expect(partitions[1]?.fsUuid).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  });

  it("numbers from 5 what an MBR has no entry left for", () => {
    const { diskId, partitions } = diskIdentity("arm", { ...rpi4, partitions: sixPartitions });
    expect(partitions.map(({ number }) => number)).toEqual([1, 2, 3, 5, 6, 7]);
    expect(partitions.map(({ logical }) => logical)).toEqual([false, false, false, true, true, true]);
    expect(partitions.at(-1)?.partUuid).toBe(`${diskId}-07`);
  });

  it("gives each partition of a GPT a UUID of its own", () => {
    const { partitions } = diskIdentity("arm", { ...rpi4, partitionTable: "gpt", partitions: sixPartitions });
    expect(partitions.map(({ number }) => number)).toEqual([1, 2, 3, 4, 5, 6]);
    expect(new Set(partitions.flatMap(({ partUuid, fsUuid }) => [partUuid, fsUuid])).size).toBe(12);
  });

  it("depends on names and nothing else", () => {
    const larger = { ...rpi4, partitions: rpi4.partitions.map((each) => ({ ...each, spare: 1024 ** 3 })) };
    expect(diskIdentity("arm", larger)).toEqual(diskIdentity("arm", rpi4));
    expect(diskIdentity("leg", rpi4).diskId).not.toBe(diskIdentity("arm", rpi4).diskId);
    expect(diskIdentity("arm", { ...rpi4, name: "rpi5" }).diskId).not.toBe(diskIdentity("arm", rpi4).diskId);
  });
});

it("uuidOf makes version 8 UUIDs", () => {
  fc.assert(
    fc.property(fc.string(), (text) => {
      expect(uuidOf(text)).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-8[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
    }),
  );
});
