import { expect, it } from "vitest";
import { diskIdentity } from "../../src/image/identity.ts";
import { layOut } from "../../src/image/layout.ts";
import { sfdiskScript } from "../../src/image/partition-table.ts";
import { rpi4, sixPartitions } from "./fixtures.ts";

const contents = {
  boot: { bytes: 0, entries: 1 },
  root: { bytes: 0, entries: 1 },
  data: { bytes: 0, entries: 1 },
};

it("writes an MBR for a Raspberry Pi", () => {
  const script = sfdiskScript(layOut(rpi4, diskIdentity("arm", rpi4), contents));
  expect(script).toMatchInlineSnapshot(`
    "label: dos
    label-id: 0x9e61a4f8
    unit: sectors
    sector-size: 512
    grain: 4194304

    start=8192, size=98304, type=0c, bootable
    start=106496, size=90112, type=83
    start=196608, size=98304, type=83
    "
  `);
});

it("writes an extended partition when there are more than four", () => {
  const board = { ...rpi4, partitions: sixPartitions };
  expect(sfdiskScript(layOut(board, diskIdentity("arm", board), contents))).toMatchInlineSnapshot(`
    "label: dos
    label-id: 0xe4965aea
    unit: sectors
    sector-size: 512
    grain: 4194304

    start=8192, size=98304, type=0c, bootable
    start=106496, size=98304, type=0c
    start=204800, size=98304, type=83
    start=303104, size=319488, type=05
    start=311296, size=98304, type=83
    start=417792, size=98304, type=83
    start=524288, size=98304, type=83
    "
  `);
});

it("writes a GPT", () => {
  const board = { ...rpi4, partitionTable: "gpt" as const };
  expect(sfdiskScript(layOut(board, diskIdentity("arm", board), contents))).toMatchInlineSnapshot(`
    "label: gpt
    label-id: 9E61A4F8-CC21-8C0C-A049-6E98065F2D55
    unit: sectors
    sector-size: 512
    grain: 4194304

    start=8192, size=98304, type=EBD0A0A2-B9E5-4433-87C0-68B6B72699C7, uuid=8ACA93FA-E336-8A62-9839-30D72F3ECD30, name="BOOT"
    start=106496, size=90112, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=92DC62F5-F137-85CA-97DC-32F2B19D1E5F, name="root"
    start=196608, size=98304, type=0FC63DAF-8483-4772-8E79-3D69D8477DE4, uuid=F3A0069E-58FF-8B92-B306-824C964A3692, name="data"
    "
  `);
});
