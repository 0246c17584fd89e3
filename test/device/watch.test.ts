import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { makeBoard, program, release, type Board } from "./release-board.ts";

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });
let board: Board;

/** A systemctl that has for each look at the nodes one answer, then always the last; `sleep` takes no time. */
function nodesAre(...looks: readonly string[]): void {
  for (const [index, text] of looks.entries()) writeFileSync(join(board.root, `look-${index + 1}`), `${text}\n\n`);
  board.standIn(
    "systemctl",
    `echo "systemctl $*" >>'${board.root}/calls'
[ "$1" = show ] || exit 0
count=$(($(cat '${board.root}/count' 2>/dev/null || echo 0) + 1))
[ "$count" -le ${looks.length} ] || count=${looks.length}
echo "$count" >'${board.root}/count'
cat '${board.root}/look-'"$count"`,
  );
  board.standIn("sleep", "");
}

const unit = (name: string, state: string, restarts: number, text = ""): string =>
  `Id=rtnode@${name}.service\nActiveState=${state}\nMainPID=1\nNRestarts=${restarts}\nStatusText=${text}`;
const both = (imu: string, arm = unit("arm", "active", 0)): string => `${arm}\n\n${imu}`;
const well = both(unit("imu", "active", 0));

const wentBack = async (): Promise<unknown> => JSON.parse(await board.done(["status", "--json"])).wentBack;

beforeEach(async () => {
  board = makeBoard();
  board.standIn("../usr/lib/rtnode/rt-launch", "exit 1");
  await board.send(FIRST);
  await board.send(SECOND);
  symlinkSync(`releases/${FIRST.id}`, board.opt("current"));
  await board.done(["activate", SECOND.id, "--confirm-within", "60"]);
  board.calls();
});

describe("after a release was confirmed", () => {
  test("the board goes on watching it, in a service of its own that the next one takes the place of", async () => {
    await board.done(["confirm", SECOND.id]);
    expect(board.calls()).toEqual([
      expect.stringMatching(`^systemd-run --quiet --collect --unit=rtnode-watch .*/rtnodectl watch ${SECOND.id}$`),
    ]);
    // Of a release that went back and came again at once.
    const transient = join(board.root, "run/systemd/transient");
    mkdirSync(transient, { recursive: true });
    writeFileSync(join(transient, "rtnode-watch.service"), "");
    await board.done(["activate", FIRST.id, "--confirm-within", "60"]);
    await board.done(["confirm", FIRST.id]);
    const calls = readFileSync(join(board.root, "calls"), "utf8");
    expect(calls).toMatch(/systemctl stop rtnode-watch\.service\nsystemd-run --quiet --collect --unit=rtnode-watch /);
  });

  test("it stays while its nodes are well, also when somebody starts one again", async () => {
    await board.done(["confirm", SECOND.id]);
    nodesAre(both(unit("imu", "active", 2)), both(unit("imu", "activating", 0)), well);
    expect(await board.rtnodectl(["watch", SECOND.id])).toMatchObject({ status: 0, stderr: "" });
    expect(board.linked("current")).toBe(SECOND.id);
    expect(await wentBack()).toBeNull();
  });

  test.each([
    ["fails", both(unit("imu", "failed", 0, 'no "i2c-1"')), 'imu failed: no "i2c-1"'],
    ["is started again by systemd", both(unit("imu", "active", 1)), "imu ended and was started again"],
  ])("a node that %s after a while brings the previous one back, and status says why", async (_, look, why) => {
    await board.done(["confirm", SECOND.id]);
    nodesAre(well, well, look);
    const { status, stderr } = await board.rtnodectl(["watch", SECOND.id]);
    expect([status, stderr]).toEqual([0, `rtnodectl: ${why}; going back to ${FIRST.id}`]);
    expect([board.linked("current"), board.linked("previous")]).toEqual([FIRST.id, SECOND.id]);
    expect(board.calls()).toContain("systemctl restart --no-block -- rtnode@imu.service");
    expect(await wentBack()).toEqual({ release: SECOND.id, time: expect.any(Number), reason: why });
    await board.done(["activate", SECOND.id, "--confirm-within", "60"]);
    expect(await wentBack()).toBeNull();
  });

  test("it is left alone once another one is active, or was activated and is not confirmed yet", async () => {
    await board.done(["confirm", SECOND.id]);
    nodesAre(both(unit("imu", "failed", 0)));
    await board.done(["rollback"]);
    await board.done(["watch", SECOND.id]);
    expect(board.linked("current")).toBe(FIRST.id);
    await board.done(["activate", SECOND.id, "--confirm-within", "60"]);
    await board.done(["watch", SECOND.id]);
    expect(board.linked("current")).toBe(SECOND.id);
  });

  test("it stays when the one before is gone, which is said", async () => {
    await board.done(["confirm", SECOND.id]);
    nodesAre(well, both(unit("imu", "failed", 0)));
    rmSync(board.opt("previous"));
    const { status, stderr } = await board.rtnodectl(["watch", SECOND.id]);
    expect([status, stderr]).toEqual([1, `rtnodectl: imu failed; ${SECOND.id} stays: there is no previous release`]);
    expect(board.linked("current")).toBe(SECOND.id);
  });
});

test("it is nothing that somebody may ask for through sudo: it leads back without a signature", async () => {
  await board.done(["confirm", SECOND.id]);
  nodesAre(both(unit("imu", "failed", 0)));
  board.standIn("as-somebody", `exec env SUDO_USER=robot sh "$@"`);
  const { exitCode } = await execa(join(board.root, "bin/as-somebody"), [program, "watch", SECOND.id], {
    env: board.env,
    reject: false,
  });
  expect(exitCode).toBe(2);
  expect(board.linked("current")).toBe(SECOND.id);
});

test("status also tells of a release that nobody confirmed", async () => {
  await board.done(["revert", SECOND.id]);
  expect(await wentBack()).toMatchObject({ release: SECOND.id, reason: "it was not confirmed" });
  await board.done(["activate", SECOND.id, "--confirm-within", "60"]);
  await board.done(["apply", "--start"]);
  expect(await wentBack()).toMatchObject({ reason: "it was not confirmed before the board went down" });
});
