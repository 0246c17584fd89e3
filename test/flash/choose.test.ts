import { symlink } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { chooseDisks, decimalSize, type ChooseRequest, type ChosenDisk } from "../../src/flash/choose.ts";
import type { Disk } from "../../src/flash/disks.ts";
import { scratchDir } from "../scratch.ts";

// Devices that every machine has, so that their paths can be followed: the test's disks are called as they are.
const CARD = "/dev/null";
const STICK = "/dev/zero";
const SSD = "/dev/full";

const card: Disk = {
  path: CARD,
  stableNames: ["/dev/disk/by-id/usb-Generic-0:0"],
  model: "Generic STORAGE DEVICE",
  transport: "usb",
  kind: "removable",
  sizeBytes: 31_914_983_424,
  logicalBlockBytes: 512,
  readOnly: false,
  labels: ["bootfs", "rootfs"],
  mounts: [{ at: "/media/ada/bootfs", device: "/dev/urandom" }],
  memberOf: [],
  parts: ["/dev/urandom"],
  backing: undefined,
  sequence: 7,
};
const stick: Disk = { ...card, path: STICK, stableNames: [], mounts: [], parts: [], labels: [] };
const ssd: Disk = { ...stick, path: SSD, kind: "external", sizeBytes: 500_107_862_016 };
const system: Disk = { ...ssd, kind: "internal", mounts: [{ at: "/", device: SSD }] };

interface Chat {
  readonly chosen: readonly ChosenDisk[];
  readonly questions: readonly string[];
}

/** Chooses among disks; `answers` are typed one after the other, undefined where there is no terminal. */
async function choose(
  disks: readonly Disk[],
  request: Partial<ChooseRequest>,
  answers: readonly string[] | undefined,
): Promise<Chat> {
  const questions: string[] = [];
  const left = [...(answers ?? [])];
  const ask = async (question: string): Promise<string> => {
    questions.push(question);
    return left.shift() ?? "";
  };
  const chosen = await chooseDisks(
    { devices: [], mean: [], yes: false, image: "arm.img", imageBytes: 2e9, imagePath: undefined, ...request },
    { disks: async () => disks, ask: answers === undefined ? undefined : ask },
  );
  expect(left).toEqual([]);
  return { chosen, questions };
}

const code = (name: string): unknown => expect.objectContaining({ code: name, exitStatus: 2 });

describe("a disk is chosen", () => {
  it("by its number, and by typing its name; that there is only one is no answer", async () => {
    const { chosen, questions } = await choose([system, card], {}, ["1", "null"]);
    expect(chosen).toEqual([
      {
        path: CARD,
        name: "Generic STORAGE DEVICE (/dev/null, 31.9 GB)",
        mounts: ["/media/ada/bootfs"],
        sizeBytes: card.sizeBytes,
        sequence: 7,
      },
    ]);
    expect(questions[0]).toBe(
      "  1  Generic STORAGE DEVICE (/dev/null, 31.9 GB): bootfs, rootfs; mounted at /media/ada/bootfs\n" +
        "Which of these? (a number; several with spaces between) ",
    );
    expect(questions[1]).toBe(
      "arm.img on Generic STORAGE DEVICE (/dev/null, 31.9 GB): all that is on it is lost. /media/ada/bootfs will be unmounted.\n" +
        "Type null to go on: ",
    );
    await expect(choose([card], {}, [""])).rejects.toEqual(code("RTK_FLASH_NO_DEVICE"));
  });

  it("with others, each confirmed by itself", async () => {
    const { chosen } = await choose([card, stick], {}, ["2 1", "zero", "null"]);
    expect(chosen.map(({ path }) => path)).toEqual([STICK, CARD]);
  });

  it("by --device, and by any name that leads to it", async () => {
    const link = join(scratchDir("rtkit-device-"), "link");
    await symlink(CARD, link);
    for (const device of [CARD, link]) {
      expect((await choose([card], { devices: [device] }, ["null"])).chosen[0]?.path).toBe(CARD);
    }
    expect((await choose([card], { devices: [CARD, link] }, ["null"])).chosen).toHaveLength(1);
  });

  it("by an answer that was given before", async () => {
    for (const mean of [CARD, "null"]) {
      expect((await choose([card], { devices: [CARD], mean: [mean] }, undefined)).chosen).toHaveLength(1);
    }
    const full = `${SSD} 500.1 GB`;
    expect((await choose([ssd], { devices: [SSD], mean: [full], yes: true }, undefined)).chosen).toHaveLength(1);
  });

  it("in full, path and size, when it is no card or stick", async () => {
    const { chosen, questions } = await choose([ssd], { devices: [SSD] }, [`${SSD} 500.1 GB`]);
    expect(chosen).toHaveLength(1);
    expect(questions[0]).toContain("which is no card or stick but a disk");
    await expect(choose([ssd], { devices: [SSD] }, ["full"])).rejects.toEqual(code("RTK_FLASH_NOT_CONFIRMED"));
  });
});

describe("no disk is chosen", () => {
  it("when the answer is another", async () => {
    for (const answers of [
      ["1", ""],
      ["1", "y"],
      ["1", "zero"],
    ]) {
      await expect(choose([card, ssd], {}, answers)).rejects.toEqual(code("RTK_FLASH_NOT_CONFIRMED"));
    }
    for (const answer of ["0", "3", "1 3", "-1", "null"]) {
      await expect(choose([card, stick], {}, [answer])).rejects.toEqual(code("RTK_FLASH_NO_DEVICE"));
    }
  });

  it("by --yes alone: a name that may be another disk's tomorrow is not enough", async () => {
    await expect(choose([card], { devices: [CARD], yes: true }, undefined)).rejects.toMatchObject({
      code: "RTK_FLASH_NOT_CONFIRMED",
      hint: "add --i-mean /dev/null",
    });
    const stable = { ...card, stableNames: [CARD] };
    expect((await choose([stable], { devices: [CARD], yes: true }, undefined)).chosen).toHaveLength(1);
    // Not even by a stable name when there is doubt.
    await expect(
      choose([{ ...ssd, stableNames: [SSD] }], { devices: [SSD], yes: true }, undefined),
    ).rejects.toMatchObject({
      code: "RTK_FLASH_NOT_CONFIRMED",
      hint: "add --i-mean '/dev/full 500.1 GB'",
    });
  });

  it("where nobody can be asked; the cards are in the hint", async () => {
    await expect(choose([card], {}, undefined)).rejects.toMatchObject({
      code: "RTK_FLASH_NO_DEVICE",
      hint: expect.stringContaining("/dev/null, 31.9 GB"),
    });
    await expect(choose([system], {}, [])).rejects.toMatchObject({ code: "RTK_FLASH_NO_DEVICE" });
  });

  it("when the policy refuses it, whatever is typed", async () => {
    await expect(choose([system], { devices: [SSD], mean: [`${SSD} 500.1 GB`], yes: true }, undefined)).rejects.toEqual(
      code("RTK_FLASH_SYSTEM_DISK"),
    );
    await expect(choose([card], { devices: [CARD], imageBytes: 1e12 }, ["null"])).rejects.toEqual(
      code("RTK_FLASH_TOO_SMALL"),
    );
  });

  it("when it is none: a part of one, a file, nothing", async () => {
    await expect(choose([card], { devices: ["/dev/urandom"] }, undefined)).rejects.toMatchObject({
      code: "RTK_FLASH_NOT_A_DISK",
      hint: "the whole disk is /dev/null",
    });
    await expect(choose([card], { devices: ["/etc/hostname"] }, undefined)).rejects.toEqual(
      code("RTK_FLASH_NOT_A_DISK"),
    );
    await expect(choose([card], { devices: ["/dev/nothing"] }, undefined)).rejects.toEqual(code("RTK_FLASH_NO_DEVICE"));
  });
});

it("sizes are as they are printed on cards", () => {
  expect([0, 999, 31_914_983_424, 4_000_787_029_504].map(decimalSize)).toEqual(["0 B", "999 B", "31.9 GB", "4.0 TB"]);
});
