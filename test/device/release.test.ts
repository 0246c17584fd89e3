import {
  chmodSync,
  existsSync,
  mkdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test } from "vitest";
import { makeBoard, ofFiles, release, sha256, type Board } from "./release-board.ts";

let board: Board;
const rtnodectl: Board["rtnodectl"] = (...words) => board.rtnodectl(...words);
const done: Board["done"] = (...words) => board.done(...words);
const send: Board["send"] = (made) => board.send(made);
const opt: Board["opt"] = (path) => board.opt(path);
const linked: Board["linked"] = (name) => board.linked(name);
const calls: Board["calls"] = () => board.calls();

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });

beforeEach(async () => {
  board = makeBoard();
  await send(FIRST);
  symlinkSync(`releases/${FIRST.id}`, opt("current"));
});

describe("activate", () => {
  beforeEach(async () => {
    await send(SECOND);
    calls();
  });

  test("makes a release current, restarts the node that changed and no other, and leads back unless it is confirmed", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    expect([linked("current"), linked("previous")]).toEqual([SECOND.id, FIRST.id]);
    expect(calls()).toEqual([
      expect.stringMatching(
        new RegExp(`^systemd-run .*--unit=rtnode-revert --on-active=30s .*rtnodectl revert ${SECOND.id}$`),
      ),
      "systemctl restart --no-block -- rtnode@imu.service",
      "systemctl start --no-block rtnode.target",
    ]);
  });

  test("starts nothing where the nodes that did not change run, which their control groups tell", async () => {
    mkdirSync(join(board.root, "sys/fs/cgroup/system.slice/system-rtnode.slice/rtnode@arm.service"), {
      recursive: true,
    });
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    expect(calls().at(-1)).toBe("systemctl restart --no-block -- rtnode@imu.service");
  });

  test("restarts what changed in one call, a node after those that it comes after, whatever their names", async () => {
    const ordered = ofFiles({
      "manifest.json": "{}",
      "nodes/arm.conf": "after imu,gone\n",
      "nodes/arm.pyz": "arm 2",
      "nodes/camera.conf": "",
      "nodes/camera.pyz": "camera",
      "nodes/imu.conf": "after zero\n",
      "nodes/imu.pyz": "imu 2",
      "nodes/bad.conf": "restart perhaps\n",
      "nodes/bad.pyz": "",
      "nodes/zero.conf": "program /usr/bin/python3\n",
      "nodes/zero.pyz": "zero",
    });
    await send(ordered);
    const { stderr } = await rtnodectl(["activate", ordered.id, "--confirm-within", "30"]);
    const [, restart = ""] = calls();
    const units = restart.replace("systemctl restart --no-block -- ", "").split(" ");
    const at = (node: string): number => units.indexOf(`rtnode@${node}.service`);
    expect(units).toHaveLength(4);
    expect([at("zero") < at("imu"), at("imu") < at("arm"), at("camera") >= 0]).toEqual([true, true, true]);
    // One that was refused does not start without what its drop-in would have said.
    expect(stderr).toContain("nodes/bad.conf: restart 'perhaps'");
    expect(at("bad")).toBe(-1);
  });

  test("nodes that wait for each other are started all the same", async () => {
    const cycle = ofFiles({
      "manifest.json": "{}",
      "nodes/a.conf": "after b\n",
      "nodes/a.pyz": "a",
      "nodes/b.conf": "after a\n",
      "nodes/b.pyz": "b",
    });
    await send(cycle);
    await done(["activate", cycle.id, "--confirm-within", "30"]);
    expect(calls()[1]?.split(" ").slice(4).toSorted()).toEqual(["rtnode@a.service", "rtnode@b.service"]);
  });

  test("the first release of a board has nothing to go back to, and says so", async () => {
    rmSync(opt("current"));
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    const { status, stderr } = await rtnodectl(["revert", SECOND.id]);
    expect({ status, stderr }).toEqual({
      status: 1,
      stderr: expect.stringContaining(`${SECOND.id} was not confirmed, and stays: there was none before`),
    });
    expect(linked("current")).toBe(SECOND.id);
    expect(existsSync(opt("pending"))).toBe(false);
  });

  test("a way back that was cut off after the links restarts the nodes when it is tried again", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    rmSync(opt("current"));
    symlinkSync(`releases/${FIRST.id}`, opt("current"));
    calls();
    await done(["revert", SECOND.id]);
    expect(calls()).toContain("systemctl restart --no-block -- rtnode@imu.service");
    expect([linked("current"), linked("previous")]).toEqual([FIRST.id, SECOND.id]);
  });

  test("one that waits to be confirmed is left to its timer when somebody applies by hand; at boot there is no timer", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    const timer = opt("../../run/systemd/transient/rtnode-revert.timer");
    mkdirSync(dirname(timer), { recursive: true });
    writeFileSync(timer, "");
    await done(["apply", "--start"]);
    expect(linked("current")).toBe(SECOND.id);
    rmSync(timer);
    await done(["apply", "--start"]);
    expect(linked("current")).toBe(FIRST.id);
  });

  test("a confirmed one stays, also when the timer or a boot comes later", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["confirm", SECOND.id]);
    await done(["revert", SECOND.id]);
    await done(["apply", "--start"]);
    expect(linked("current")).toBe(SECOND.id);
    expect((await rtnodectl(["confirm", SECOND.id])).stderr).toContain("does not wait to be confirmed");
  });

  test("revert goes back to the previous release and its nodes", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    calls();
    await done(["revert", SECOND.id]);
    expect([linked("current"), linked("previous")]).toEqual([FIRST.id, SECOND.id]);
    expect(calls()).toContain("systemctl restart --no-block -- rtnode@imu.service");
    expect((await rtnodectl(["confirm", SECOND.id])).status).toBe(1);
  });

  test("the next boot goes back, and starts nothing of the release that was not confirmed", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    calls();
    const { stderr } = await rtnodectl(["apply", "--start"]);
    expect(stderr).toContain(`${SECOND.id} was not confirmed before the board went down`);
    expect(linked("current")).toBe(FIRST.id);
    expect(calls()).toEqual(["systemctl start --no-block rtnode.target"]);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
  });

  test("a second one waits for the first to be confirmed, and is told whose it is", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    const third = release({ imu: "imu 3" });
    await send(third);
    const { status, stderr } = await rtnodectl(["activate", third.id, "--confirm-within", "30"]);
    expect(status).toBe(1);
    expect(stderr).toMatch(new RegExp(`root \\(.* UTC\\) activated ${SECOND.id} and has not confirmed it yet`));
  });

  test("whoever waits too long is told for whom", async () => {
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    board.standIn("flock", "exit 1");
    const { status, stderr } = await rtnodectl(["confirm", SECOND.id]);
    expect(status).toBe(1);
    expect(stderr).toMatch(
      /^rtnodectl: waits for (rtnodectl activate, process \d+, for root)\nrtnodectl: \1 has been at work for a minute$/,
    );
  });

  test.each([
    [["activate", FIRST.id, "--confirm-within", "30"], 1, "is active already"],
    [["activate", sha256("unknown"), "--confirm-within", "30"], 1, "is not here; send it first"],
    [["activate", SECOND.id, "--confirm-within", "0"], 2, "usage"],
    [["activate", SECOND.id, "--confirm-within", "1; reboot"], 2, "usage"],
    [["activate", SECOND.id], 2, "usage"],
  ])("%j is refused, and nothing changes", async (words, status, reason) => {
    expect(await rtnodectl(words)).toMatchObject({ status, stderr: expect.stringContaining(reason) });
    expect(linked("current")).toBe(FIRST.id);
    expect(calls()).toEqual([]);
  });

  test("without a timer to lead back nothing is activated", async () => {
    writeFileSync(join(board.root, "bin", "systemd-run"), "#!/bin/sh\nexit 1\n");
    const { status, stderr } = await rtnodectl(["activate", SECOND.id, "--confirm-within", "30"]);
    expect({ status, current: linked("current") }).toEqual({ status: 1, current: FIRST.id });
    expect(stderr).toContain("nothing would lead back");
    expect(existsSync(opt("pending"))).toBe(false);
  });

  test("a timer that was left behind leads nowhere, and does not keep the next one from being set", async () => {
    mkdirSync(join(board.root, "run/systemd/transient"), { recursive: true });
    writeFileSync(join(board.root, "run/systemd/transient/rtnode-revert.timer"), "");
    board.standIn("systemd-run", `tail -n 1 '${board.root}/calls' >'${board.root}/before'`);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    expect(readFileSync(join(board.root, "before"), "utf8")).toBe("systemctl stop rtnode-revert.timer\n");
  });

  test("killed at any moment, the board comes up with one of the two releases, whole", async () => {
    // Each program that rtnodectl starts while it activates ends it in turn, as a power cut would.
    const names = ["ln", "mv", "sync", "systemctl", "systemd-run", "rm", "mkdir", "flock", "grep", "tsort"];
    for (const name of names) {
      for (let nth = 1; nth <= 4; nth += 1) {
        writeFileSync(join(board.root, "count"), "");
        const real = `PATH=/usr/sbin:/usr/bin:/sbin:/bin`;
        const script = `#!/bin/sh\necho x >>'${board.root}/count'\n[ $(wc -l <'${board.root}/count') -lt ${nth} ] || kill -9 $PPID\n${
          name.startsWith("systemd") || name === "systemctl" ? "exit 0" : `${real} exec ${name} "$@"`
        }\n`;
        const own = join(board.root, "bin", name);
        const before = existsSync(own) ? readFileSync(own) : undefined;
        writeFileSync(own, script);
        chmodSync(own, 0o755);
        await rtnodectl(["activate", SECOND.id, "--confirm-within", "30"]);
        if (before === undefined) rmSync(own);
        else writeFileSync(own, before);
        await rtnodectl(["apply", "--start"]);
        expect(linked("current"), `${name} ${nth}`).toBe(FIRST.id);
        expect(existsSync(opt("current/manifest.json"))).toBe(true);
        expect(existsSync(opt("pending")), `${name} ${nth}`).toBe(false);
      }
    }
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
  });
});

describe("rollback", () => {
  test("goes to the previous release, or to one by its id", async () => {
    expect((await rtnodectl(["rollback"])).stderr).toContain("there is no previous release");
    await send(SECOND);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["confirm", SECOND.id]);
    await done(["rollback"]);
    expect([linked("current"), linked("previous")]).toEqual([FIRST.id, SECOND.id]);
    await done(["rollback", SECOND.id]);
    expect(linked("current")).toBe(SECOND.id);
    expect((await rtnodectl(["rollback", sha256("unknown")])).stderr).toContain("is not here");
  });

  test("of a release that is not confirmed reverts it", async () => {
    await send(SECOND);
    await done(["activate", SECOND.id, "--confirm-within", "30"]);
    await done(["rollback"]);
    expect(linked("current")).toBe(FIRST.id);
    expect(existsSync(opt("pending"))).toBe(false);
  });
});

test("old releases go when a new one is confirmed: the current, the previous and the three newest stay", async () => {
  const made = Array.from({ length: 7 }, (_, index) => release({ imu: `imu ${index}` }));
  for (const [index, each] of made.entries()) {
    await send(each);
    const time = new Date(1_700_000_000_000 + index * 60_000);
    utimesSync(opt(`releases/${each.id}`), time, time);
  }
  const last = made.at(-1)?.id ?? "";
  await done(["activate", last, "--confirm-within", "30"]);
  await done(["confirm", last]);
  const marks = (await done(["releases"])).split("\n").map((line) => line.split(" "));
  expect(new Set(marks.map(([id]) => id))).toEqual(new Set([FIRST.id, last, ...made.slice(3, 6).map(({ id }) => id)]));
  expect(marks.find(([id]) => id === FIRST.id)?.[1]).toBe("previous");
  expect(marks.find(([id]) => id === last)?.[1]).toBe("current");
});
