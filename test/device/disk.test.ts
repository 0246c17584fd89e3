import { randomBytes } from "node:crypto";
import {
  existsSync,
  rmSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  statfsSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { makeBoard, ofFiles, release, sha256, stream, type Board, type Release } from "./release-board.ts";
import { scratchDir } from "../scratch.ts";

const KIB = 1024;
const SIZE = 8192 * KIB;

/** A file system of 8 MiB of its own, which takes root. */
async function mountDisk(): Promise<string | undefined> {
  const dir = scratchDir("rtnode-disk-");
  const { failed } = await execa("mount", ["-t", "tmpfs", "-o", `size=${SIZE}`, "rtnode-test", dir], { reject: false });
  return failed ? undefined : dir;
}

const probe = await mountDisk();
if (probe !== undefined) await execa("umount", [probe]);

const noise = (kib: number): string => randomBytes(kib * KIB).toString("latin1");

/** A release with a file of so many KiB that no other has, and one that all have. */
const shared = noise(400);
const ofSize = (kib: number): Release =>
  ofFiles({ "manifest.json": noise(1), "nodes/big.pyz": noise(kib), "nodes/same.pyz": shared });

describe.skipIf(probe === undefined)("a board with a small disk", () => {
  let board: Board;
  let disk: string;
  let first: Release;

  beforeEach(async () => {
    disk = (await mountDisk()) ?? "";
    board = makeBoard(disk);
    first = ofSize(100);
    await board.send(first);
    symlinkSync(`releases/${first.id}`, board.opt("current"));
  });

  afterEach(async () => {
    await execa("umount", ["--lazy", disk]);
  });

  const here = (): string[] => readdirSync(board.opt("releases")).toSorted();
  const freeKib = (): number => (statfsSync(disk).bavail * statfsSync(disk).bsize) / KIB;
  let minutes = 0;
  let fillers = 0;

  /** Sends what the board lacks. */
  async function send(made: Release): Promise<void> {
    await board.done(["receive", made.id], stream(made, (await board.done(["blobs"])).split("\n")));
  }

  /** Sends a release that is older than those to come. */
  async function older(made: Release): Promise<Release> {
    await send(made);
    minutes += 1;
    const time = new Date(1_700_000_000_000 + minutes * 60_000);
    utimesSync(board.opt(`releases/${made.id}/SHA256SUMS`), time, time);
    return made;
  }

  async function fillUp(leftKib: number): Promise<void> {
    fillers += 1;
    writeFileSync(join(disk, `filler-${fillers}`), Buffer.alloc((freeKib() - leftKib) * KIB));
  }

  const readOnly = async (): Promise<void> => {
    // As on a board, where /run is in memory.
    rmSync(join(disk, "run"), { recursive: true });
    symlinkSync(scratchDir("rtnode-run-"), join(disk, "run"));
    await execa("mount", ["-o", "remount,ro", disk]);
  };

  test("refuses what does not fit, says how much it is, and leaves nothing", async () => {
    const made = ofSize(7500);
    const { status, stderr } = await board.rtnodectl(["receive", made.id], stream(made));
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringMatching(
        /^rtnodectl: receive: it needs [78]\d{3} KiB, and .*\/releases has only 7\d{3} KiB left$/,
      ),
    });
    expect(here()).toEqual([first.id]);
    expect(existsSync(board.opt("releases/.new"))).toBe(false);
  });

  test("lets no older release go for a size that it cannot hold in all", async () => {
    const old = await older(ofSize(1000));
    const made = ofSize(100);
    const { stderr } = await board.rtnodectl(
      ["receive", made.id],
      stream(made).replace(/^ALL \d+/m, "ALL 99999999999"),
    );
    expect(stderr).toMatch(/it needs \d+ KiB, and .* has no more than 8192 KiB in all$/);
    expect(here()).toContain(old.id);
  });

  test("makes room first: the oldest goes, and no more than needed; never the current, the previous or one to confirm", async () => {
    const [oldest, old] = [await older(ofSize(1000)), await older(ofSize(1000))];
    const second = ofSize(100);
    await board.send(second);
    await board.done(["activate", second.id, "--confirm-within", "30"]);
    await fillUp(600);
    const next = ofSize(900);
    await board.done(["receive", next.id], stream(next, [sha256(Buffer.from(shared, "latin1"))]));
    expect(here()).toEqual([first, second, old, next].map(({ id }) => id).toSorted());
    expect(here()).not.toContain(oldest.id);
    await fillUp(100);
    const large = ofSize(3000);
    const { status, stderr } = await board.rtnodectl(["receive", large.id], stream(large));
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("KiB left") });
    expect(here()).toEqual([first.id, second.id].toSorted());
  });

  test("has no halves of releases that were being removed when the power went", async () => {
    mkdirSync(board.opt("releases/.old"));
    writeFileSync(board.opt("releases/.old/big.pyz"), Buffer.alloc((freeKib() - 300) * KIB));
    await send(ofSize(900));
    expect(existsSync(board.opt("releases/.old"))).toBe(false);
  });

  test("has what a new release shares with one that had to go", async () => {
    const old = await older(
      ofFiles({ "manifest.json": "{}", "nodes/only.pyz": noise(500), "nodes/gone.pyz": noise(1000) }),
    );
    const only = old.files["nodes/only.pyz"] ?? "";
    await fillUp(300);
    const next = ofFiles({ "manifest.json": "[]", "nodes/only.pyz": only, "nodes/new.pyz": noise(900) });
    await board.done(["receive", next.id], stream(next, [sha256(Buffer.from(only, "latin1"))]));
    expect(here()).toEqual([first.id, next.id].toSorted());
    expect(readFileSync(board.opt(`releases/${next.id}/nodes/only.pyz`), "latin1")).toBe(only);
  });

  test("that fills up in the middle, through others, has nothing of a release then", async () => {
    // It is told that there is room.
    board.standIn("stat", 'case "$1" in -f) echo 999999 4096 ;; *) PATH=/usr/bin:/bin exec stat "$@" ;; esac');
    await fillUp(300);
    const before = freeKib();
    const made = ofSize(500);
    const { status, stderr } = await board.rtnodectl(["receive", made.id], stream(made));
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining("big.pyz cannot be written; is the disk full?"),
    });
    expect(here()).toEqual([first.id]);
    expect(freeKib()).toBe(before);
    expect(existsSync(board.opt(`releases/.new`))).toBe(false);
  });

  test("keeps old releases as long as all together take a tenth of it; what they share counts once", async () => {
    // 819 KiB: 400 that all share, 100 for each of current and previous.
    const [a, b, c] = [await older(ofSize(40)), await older(ofSize(40)), await older(ofSize(40))];
    const second = ofSize(100);
    await send(second);
    await board.done(["activate", second.id, "--confirm-within", "30"]);
    await board.done(["confirm", second.id]);
    expect(here()).toEqual([first, second, a, b, c].map(({ id }) => id).toSorted());
    const third = ofSize(160);
    await send(third);
    await board.done(["activate", third.id, "--confirm-within", "30"]);
    await board.done(["confirm", third.id]);
    // 400 + 100 + 160 are needed; the first has 100 more and is the newest of those that may go, the others are older.
    expect(here()).toEqual([second, third, first].map(({ id }) => id).toSorted());
  });

  describe("that cannot be written", () => {
    test("refuses to receive and to activate, in words and with the status of a refusal", async () => {
      const second = release({ imu: "imu 2" });
      await board.send(second);
      await readOnly();
      const third = release({ imu: "imu 3" });
      for (const [words, sent] of [
        [["receive", third.id], stream(third)],
        [["activate", second.id, "--confirm-within", "30"], ""],
      ] as const) {
        const { status, stderr } = await board.rtnodectl(words, sent);
        expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("cannot be written") });
      }
      expect(board.linked("current")).toBe(first.id);
    });

    test("starts at boot what it has, also when that was not confirmed", async () => {
      const second = release({ imu: "imu 2" });
      await board.send(second);
      await board.done(["activate", second.id, "--confirm-within", "30"]);
      board.standIn("systemctl", `echo "systemctl $*" >>'${join(disk, "run")}/calls'`);
      await readOnly();
      const { stderr } = await board.rtnodectl(["apply", "--start"]);
      expect(stderr).toContain(`cannot be written: ${second.id} runs on`);
      expect(readFileSync(join(disk, "run/calls"), "utf8")).toContain("start --no-block rtnode.target");
    });
  });
});
