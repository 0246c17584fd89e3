import { existsSync, mkdirSync, readdirSync, readFileSync, statSync, symlinkSync } from "node:fs";
import { utimesSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { makeBoard, ofFiles, program, release, sha256, stream, type Board, type Release } from "./release-board.ts";
import { scratchDir } from "../scratch.ts";

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });
let board: Board;

beforeEach(async () => {
  board = makeBoard();
  await board.send(FIRST);
  symlinkSync(`releases/${FIRST.id}`, board.opt("current"));
});

const receive = (made: Release, sent = stream(made)): ReturnType<Board["rtnodectl"]> =>
  board.rtnodectl(["receive", made.id], sent);
const path = (made: Release, name: string): string => board.opt(`releases/${made.id}/${name}`);
const mode = (file: string): string => (statSync(file).mode & 0o777).toString(8);

/** An executable's first bytes: 64 bits, little-endian, for the machine of that number in elf.h. */
const elf = (machine: number, rest = ""): string =>
  `\x7fELF\x02\x01\x01${"\0".repeat(9)}\x02\0${String.fromCharCode(machine)}\0${rest}`;
const MACHINES: Readonly<Record<string, number>> = { x64: 62, arm64: 183, riscv64: 243 };
const own = MACHINES[process.arch] ?? 0;
const foreign = own === 62 ? 183 : 62;

/** A file as it is sent. */
const blob = (text: string): string => `BLOB ${sha256(text)} ${text.length}\n${text}`;

/** The stream was refused for that reason, and nothing of it is left. */
async function refused(made: Release, sent: string, reason: string): Promise<void> {
  const { status, stderr } = await receive(made, sent);
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining(reason) });
  expect(readdirSync(board.opt("releases"))).toEqual([FIRST.id]);
  expect(readFileSync(path(FIRST, "nodes/imu.pyz"), "utf8")).toBe("imu 1");
}

test("a sender that is gone, so that nobody hears why, leaves nothing", async () => {
  const sender = board.start("receive", SECOND.id);
  sender.stderr.destroy();
  sender.stdin.end(stream(SECOND).slice(0, 40));
  await once(sender, "exit");
  expect(readdirSync(board.opt("releases"))).toEqual([FIRST.id]);
});

describe("a check that cannot be made", () => {
  // The caller's limits, or a board without memory, may end any program.
  test("of the contents: a sha256sum that is killed has not found them all well", async () => {
    board.standIn("sha256sum", 'case $* in *--check*) kill -9 $$ ;; *) exec /usr/bin/sha256sum "$@" ;; esac');
    await refused(SECOND, stream(SECOND), "the files could not be checked");
  });

  test("because of the caller's limits is made without them", async () => {
    board.standIn("limited", 'ulimit -S -v 20000; exec sh "$@"');
    const words = [program, "receive", SECOND.id];
    await execa(join(board.root, "bin/limited"), words, { env: board.env, input: stream(SECOND) });
    expect(readFileSync(path(SECOND, "nodes/imu.pyz"), "utf8")).toBe("imu 2");
  });
});

describe("what is received", () => {
  test("is a folder of the files that came and of those that other releases have", async () => {
    const has = (await board.done(["blobs"])).split("\n");
    expect(has).toEqual([...new Set(Object.values(FIRST.files).map(sha256))].toSorted());
    const sent = stream(SECOND, has);
    expect(sent).not.toContain("arm 1");
    await board.done(["receive", SECOND.id], sent);
    for (const [name, text] of Object.entries(SECOND.files)) {
      expect(readFileSync(path(SECOND, name), "utf8")).toBe(text);
    }
    expect(statSync(path(SECOND, "nodes/arm.pyz")).ino).toBe(statSync(path(FIRST, "nodes/arm.pyz")).ino);
    expect(board.linked("current")).toBe(FIRST.id);
    expect(board.calls()).toEqual([]);
  });

  test("may have a file of another release under another name", async () => {
    const renamed = release({ gyro: "imu 1" });
    await board.done(["receive", renamed.id], stream(renamed, [sha256("imu 1")]));
    expect(readFileSync(path(renamed, "nodes/gyro.pyz"), "utf8")).toBe("imu 1");
  });

  test("from one who does not say how much it is", async () => {
    await board.done(["receive", SECOND.id], stream(SECOND).replace(/^ALL \d+\n/m, ""));
  });

  test("is executable where it is to be, and readable for the nodes' user whatever the caller's umask", async () => {
    const made = ofFiles({ "manifest.json": "{}", "nodes/m.bin": elf(own), "nodes/m.conf": "program m\n" });
    const words = `umask 077; exec sh '${program}' receive ${made.id}`;
    await execa("sh", ["-c", words], { env: board.env, input: Buffer.from(stream(made), "latin1") });
    const names = ["nodes/m.bin", "nodes/m.conf", "manifest.json", "nodes", "."];
    expect(names.map((name) => mode(path(made, name)))).toEqual(["755", "644", "644", "755", "755"]);
  });

  test("does not change the mode of a file that a running node has", async () => {
    const program1 = elf(own, "motor");
    const running = ofFiles({ "manifest.json": "{}", "nodes/m.bin": program1, "nodes/m.conf": "program m\n" });
    await board.send(running);
    const other = ofFiles({ "manifest.json": "[]", "nodes/m.pyz": program1, "nodes/n.bin": "" });
    const next = ofFiles({ "manifest.json": "[]", "nodes/m.pyz": program1, "nodes/n.bin": program1 });
    expect((await receive(other)).stderr).toContain("nodes/n.bin is no executable");
    await board.done(["receive", next.id], stream(next, [sha256(Buffer.from(program1, "latin1"))]));
    const files = [path(running, "nodes/m.bin"), path(next, "nodes/m.pyz"), path(next, "nodes/n.bin")];
    expect(files.map(mode)).toEqual(["755", "644", "755"]);
  });

  test("is not written into the files of other releases, also when it is what they have", async () => {
    const before = statSync(path(FIRST, "nodes/arm.pyz"));
    await board.send(SECOND);
    expect(statSync(path(FIRST, "nodes/arm.pyz"))).toMatchObject({ ino: before.ino, mtimeMs: before.mtimeMs });
    const third = release({ imu: "imu 3", arm: "arm 1" });
    const { stderr } = await receive(third, stream(third).replace("arm 1", "ARM 1"));
    expect(stderr).toContain("a file is not as the list says: nodes/arm.pyz");
    expect(readFileSync(path(FIRST, "nodes/arm.pyz"), "utf8")).toBe("arm 1");
  });

  test("is nothing when the release is here: nothing is read", async () => {
    await board.done(["receive", FIRST.id], "nonsense");
  });

  test("is the newest release, also for a clock that is behind those before it", async () => {
    const future = new Date("2100-01-01T00:00:00Z");
    utimesSync(board.opt(`releases/${FIRST.id}/SHA256SUMS`), future, future);
    await board.send(SECOND);
    const seconds = future.getTime() / 1000 + 1;
    expect((await board.done(["releases"])).split("\n")).toContain(`${SECOND.id} - ${seconds}`);
  });
});

describe("faulty and hostile streams leave nothing", () => {
  const whole = stream(SECOND);
  const imu = blob("imu 2");
  test.each([
    ["nothing", "", "ended in the middle"],
    ["the end in the middle of a file", whole.slice(0, -20), "ended in the middle"],
    ["no end", whole.slice(0, -"END\n".length), "ended in the middle"],
    ["half a file", `${whole.slice(0, whole.indexOf(imu))}${imu.slice(0, -2)}`, "ended in the middle"],
    ["a flipped bit in a file", whole.replace("imu 2", "imu 3"), "a file is not as the list says: nodes/imu.pyz"],
    ["a flipped bit in the list", whole.replace("manifest.json", "manifest.jsoN"), "the list of files is not that of"],
    ["a file less than needed", stream(SECOND, [sha256("imu 2")]), "was not sent, and no release here has it"],
    ["another protocol", "GET / HTTP/1.1\r\n", "is no release"],
    ["lines with CR", whole.replace("END\n", "END\r\n"), "is no release"],
    ["a file before the list", `${imu}${whole}`, "is no release"],
    ["a second list", whole.replace("END\n", `SUMS ${SECOND.sums.length}\n${SECOND.sums}END\n`), "is no release"],
    ["a size below its content", whole.replace(`${sha256("imu 2")} 5`, `${sha256("imu 2")} 4`), "is no release"],
    ["a size above its content", whole.replace(`${sha256("imu 2")} 5`, `${sha256("imu 2")} 6`), "is no release"],
    ["a size that is negative", `SUMS -1\n${whole}`, "'-1' is no size"],
    ["a size that is none", `SUMS 1e3\n${whole}`, "'1e3' is no size"],
    ["no size", "SUMS\n", "'' is no size"],
    ["a size in octal", `SUMS 010\n${whole}`, "'010' is no size"],
    ["a size that no disk has", whole.replace("SUMS", "SUMS 9999999999999"), "'9999999999999' is no size"],
    ["more than the disk has", whole.replace(/^ALL \d+/m, "ALL 99999999999"), "KiB left"],
    [
      "a file larger than the disk",
      whole.replace(`${sha256("imu 2")} 5`, `${sha256("imu 2")} 99999999999`),
      "KiB left",
    ],
    ["a list of a million lines", `SUMS ${82 * 1_000_000}\n`, "a list of 82000000 bytes is too long"],
    ["a file that nobody asked for", whole.replace("END\n", `${blob("extra")}END\n`), "is not of this release"],
    ["a file twice", whole.replace("END\n", `${imu}END\n`), "was sent twice"],
    ["a path for a digest", whole.replace(`BLOB ${sha256("imu 2")}`, "BLOB ../../etc/passwd"), "is no sha256"],
  ])("%s", async (_, sent, reason) => {
    await refused(SECOND, sent, reason);
  });

  test.each([
    "/etc/passwd",
    "../escape",
    "nodes/../../escape.conf",
    "nodes/..",
    "nodes/Upper.conf",
    "nodes/-rf.conf",
    "nodes/a.sh",
    "nodes/a/b.conf",
    "rtnode@.service",
    "nodes/a b.conf",
    "nodes/a.conf\r",
    "nodes/a\0.conf",
    "nodes/ä.conf",
    "nodes/$(id).conf",
    "nodes/*.conf",
    "",
  ])("a list that names %j", async (name) => {
    const made = ofFiles({ "manifest.json": "{}", [name]: "x" });
    const sums = Buffer.from(made.sums);
    const listed = { ...made, sums: sums.toString("latin1"), id: sha256(sums) };
    await refused(listed, stream(listed), "does not belong into a release");
  });

  test("a list that names nothing, no manifest, or a file twice, or does not end", async () => {
    const lists = [
      "",
      SECOND.sums.trimEnd(),
      `${sha256("x")}  nodes/a.conf\n`,
      `${SECOND.sums}${sha256("x")}  nodes/imu.conf\n`,
      `${SECOND.sums}\n`,
      `\n${SECOND.sums}`,
      `${SECOND.sums}${sha256("x")}  nodes/a\0.conf\n`,
    ];
    for (const sums of lists) {
      const made = { ...SECOND, sums, id: sha256(sums) };
      const { status, stderr } = await receive(made);
      expect(status).toBe(1);
      expect(stderr).toMatch(/does not belong into a release|names a file twice/);
    }
    expect(readdirSync(board.opt("releases"))).toEqual([FIRST.id]);
  });

  test("a line that does not end, however long the sender goes on", async () => {
    const child = execa("sh", ["-c", `tr '\\0' a </dev/zero | sh '${program}' receive ${SECOND.id}`], {
      env: board.env,
      reject: false,
    });
    const { exitCode, stderr } = await child;
    expect(exitCode).toBe(1);
    expect(stderr).toContain("its lines do not end");
    expect(readdirSync(board.opt("releases"))).toEqual([FIRST.id]);
  });

  test("a program for another machine, and one that is none", async () => {
    const bad = ofFiles({ "manifest.json": "{}", "nodes/m.bin": elf(foreign), "nodes/m.conf": "program m\n" });
    const [is, board64] = foreign === 183 ? ["aarch64", "x86_64"] : ["x86_64", "aarch64"];
    await refused(bad, stream(bad), `nodes/m.bin is for ${is}, and this board is ${board64}`);
    for (const text of ["", "#!/bin/sh\nreboot\n", "\x7fELF", "x".repeat(100)]) {
      const made = ofFiles({ "manifest.json": "{}", "nodes/m.bin": text, "nodes/m.conf": "program m\n" });
      await refused(made, stream(made), "nodes/m.bin is no executable");
    }
  });

  test("launch options that would take long to read at every boot", async () => {
    const made = ofFiles({ "manifest.json": "{}", "nodes/a.conf": "groups gpio\n".repeat(10_000), "nodes/a.pyz": "" });
    await refused(made, stream(made), "a.conf has more than 64 KiB");
  });

  test("ids that are none", async () => {
    for (const id of ["", "abc", "../../etc", `${FIRST.id}/..`, FIRST.id.toUpperCase(), "-rf"]) {
      expect((await board.rtnodectl(["receive", id], whole)).status).toBe(2);
    }
  });
});

describe("what lies in the way", () => {
  test("of a release: links lead nowhere, and their places are taken by the release", async () => {
    const elsewhere = scratchDir("rtnode-elsewhere-");
    mkdirSync(join(elsewhere, "nodes"));
    symlinkSync(elsewhere, board.opt("releases/.new"));
    symlinkSync(elsewhere, board.opt(`releases/${SECOND.id}`));
    await board.send(SECOND);
    expect(readdirSync(elsewhere)).toEqual(["nodes"]);
    expect(readdirSync(join(elsewhere, "nodes"))).toEqual([]);
    expect(statSync(path(SECOND, "nodes/imu.pyz")).size).toBe(5);
  });

  test("a file with the release's name is no release", async () => {
    writeFileSync(board.opt(`releases/${SECOND.id}`), "");
    const { status, stderr } = await receive(SECOND);
    expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("cannot be written") });
    expect(existsSync(board.opt("releases/.new"))).toBe(false);
  });

  test("a link among another release's files is not taken for the file", async () => {
    const secret = join(scratchDir("rtnode-elsewhere-"), "secret");
    writeFileSync(secret, "imu 2");
    const planted = ofFiles({ "manifest.json": "{}", "nodes/imu.pyz": "imu 2" });
    mkdirSync(path(planted, "nodes"), { recursive: true });
    writeFileSync(path(planted, "SHA256SUMS"), planted.sums);
    symlinkSync(secret, path(planted, "nodes/imu.pyz"));
    const { stderr } = await receive(SECOND, stream(SECOND, [sha256("imu 2")]));
    expect(stderr).toContain("was not sent, and no release here has it");
  });
});

test("a file that is damaged on the board is asked for again, and then the release is whole", async () => {
  const file = path(FIRST, "nodes/arm.pyz");
  writeFileSync(file, "arm !");
  const has = async (): Promise<string[]> => (await board.done(["blobs"])).split("\n");
  const { status, stderr } = await receive(SECOND, stream(SECOND, await has()));
  expect(status).toBe(1);
  expect(stderr).toContain("nodes/arm.pyz is damaged on this board; deploy again, and it is sent");
  const now = await has();
  expect(now).not.toContain(sha256("arm 1"));
  await board.done(["receive", SECOND.id], stream(SECOND, now));
  expect(readFileSync(path(SECOND, "nodes/arm.pyz"), "utf8")).toBe("arm 1");
});

test("a release that is here, and of which a file is damaged, is taken once more", async () => {
  await board.send(SECOND);
  writeFileSync(path(SECOND, "nodes/imu.pyz"), "imu !");
  const has = async (): Promise<string[]> => (await board.done(["blobs"])).split("\n");
  expect((await receive(SECOND, stream(SECOND, await has()))).stderr).toContain(
    "nodes/imu.pyz is damaged on this board",
  );
  expect(existsSync(path(SECOND, "SHA256SUMS"))).toBe(true);
  await board.done(["receive", SECOND.id], stream(SECOND, await has()));
  expect(readFileSync(path(SECOND, "nodes/imu.pyz"), "utf8")).toBe("imu 2");
});

test("nobody but root can hold the locks that all who deploy wait for", async () => {
  await board.send(SECOND);
  await board.done(["activate", SECOND.id, "--confirm-within", "30"]);
  const run = board.opt("../../run");
  const locks = readdirSync(run).filter((name) => name.endsWith(".lock"));
  expect(locks.toSorted()).toEqual(["rtnodectl-receive.lock", "rtnodectl.lock"]);
  for (const lock of locks) expect(mode(join(run, lock))).toBe("600");
});

describe("at the same time", () => {
  test("two that send wait for each other, and the second is told for whom", async () => {
    const third = release({ imu: "imu 3" });
    const first = board.start("receive", SECOND.id);
    const waiting = stream(SECOND);
    first.stdin.write(waiting.slice(0, 20));
    while (!existsSync(board.opt("releases/.new"))) await sleep(10);
    const second = board.start("receive", third.id);
    second.stdin.end(stream(third));
    const told = await new Promise((resolve) => second.stderr.once("data", (text) => resolve(String(text))));
    expect(told).toBe(`rtnodectl: waits for rtnodectl receive, process ${first.pid}, for root\n`);
    const ends = Promise.all([first, second].map((child) => once(child, "close")));
    first.stdin.end(waiting.slice(20));
    expect(await ends).toEqual([
      [0, null],
      [0, null],
    ]);
    expect(readdirSync(board.opt("releases")).toSorted()).toEqual([FIRST.id, SECOND.id, third.id].toSorted());
  });

  test("one who sends nothing more keeps nobody from activating or going back", async () => {
    await board.send(SECOND);
    const stalled = board.start("receive", release({ imu: "imu 3" }).id);
    stalled.stdin.write("SUMS 5");
    while (!existsSync(board.opt("releases/.new"))) await sleep(10);
    await board.done(["activate", SECOND.id, "--confirm-within", "30"]);
    await board.done(["revert", SECOND.id]);
    expect(board.linked("current")).toBe(FIRST.id);
    const end = once(stalled, "close");
    stalled.stdin.end();
    expect(await end).toEqual([1, null]);
  });
});
