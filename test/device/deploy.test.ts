import { existsSync, readdirSync, readFileSync, statSync, symlinkSync, writeFileSync } from "node:fs";
import { once } from "node:events";
import { createInterface } from "node:readline";
import type { ChildProcessWithoutNullStreams } from "node:child_process";
import { beforeEach, expect, test } from "vitest";
import { makeBoard, release, sha256, stream, type Board, type Release } from "./release-board.ts";

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });
let board: Board;

beforeEach(async () => {
  board = makeBoard();
  await board.send(FIRST);
  symlinkSync(`releases/${FIRST.id}`, board.opt("current"));
});

const list = ({ sums }: Release): string => `SUMS ${sums.length}\n${sums}`;
const rest = (made: Release, has: readonly string[] = []): string => stream(made, has).slice(list(made).length);
const begin = ({ id }: Release): ChildProcessWithoutNullStreams => board.start("deploy", id, "--confirm-within", "30");

/** What the board says of itself and wants, when it was told the list. */
async function answerOf(child: ChildProcessWithoutNullStreams, made: Release): Promise<{ wanted: string[] }> {
  child.stdin.on("error", () => undefined);
  child.stdin.write(list(made));
  const [line] = (await once(createInterface(child.stdout), "line")) as [string];
  return JSON.parse(line) as { wanted: string[] };
}

test("a release is asked for where it is missing, and is current when it came", async () => {
  const child = begin(SECOND);
  const answer = await answerOf(child, SECOND);
  const lacks = [SECOND.files["nodes/imu.pyz"] ?? ""].map(sha256);
  expect(answer).toEqual({
    release: FIRST.id,
    previous: null,
    pending: null,
    signed: false,
    newestRecord: 0,
    wanted: lacks,
  });
  child.stdin.end(
    `${rest(SECOND, [FIRST.files["manifest.json"] ?? "", "arm 1", "program /usr/bin/python3\n"].map(sha256))}END\n`,
  );
  expect(await once(child, "close")).toEqual([0, null]);
  expect(board.linked("current")).toBe(SECOND.id);
  expect(statSync(board.opt(`releases/${SECOND.id}/nodes/arm.pyz`)).ino).toBe(
    statSync(board.opt(`releases/${FIRST.id}/nodes/arm.pyz`)).ino,
  );
  expect(board.calls()).toEqual([
    expect.stringMatching(/^systemd-run .*--on-active=30s .*revert /),
    "systemctl restart --no-block -- rtnode@imu.service",
    "systemctl start --no-block rtnode.target",
  ]);
});

test("of a release that is here no file is wanted; of the one that is active nothing is", async () => {
  await board.send(SECOND);
  const child = begin(SECOND);
  expect(await answerOf(child, SECOND)).toMatchObject({ wanted: [] });
  child.stdin.end("END\nEND\n");
  expect(await once(child, "close")).toEqual([0, null]);
  expect(board.linked("current")).toBe(SECOND.id);
  const again = begin(SECOND);
  expect(await answerOf(again, SECOND)).toMatchObject({ release: SECOND.id, previous: FIRST.id, pending: SECOND.id });
  expect(await once(again, "close")).toEqual([0, null]);
});

test("a file that is damaged here is wanted again", async () => {
  writeFileSync(board.opt("damaged"), `${sha256("arm 1")}\n`);
  expect(await answerOf(begin(SECOND), SECOND)).toMatchObject({ wanted: [sha256("arm 1"), sha256("imu 2")] });
});

test.each([
  ["before its files", () => ""],
  ["in the middle of them", () => rest(SECOND).slice(0, -10)],
  ["before the last word", () => rest(SECOND)],
  ["in the middle of a record", () => `${rest(SECOND)}RECORD 100\nrelease`],
])("a sender that is gone %s leaves the release that was", async (_, sent) => {
  const child = begin(SECOND);
  await answerOf(child, SECOND);
  child.stdin.end(sent());
  expect(await once(child, "close")).toEqual([1, null]);
  expect(board.linked("current")).toBe(FIRST.id);
  expect(existsSync(board.opt("pending"))).toBe(false);
  expect(existsSync(board.opt("releases/.new"))).toBe(false);
  expect(readdirSync(`${board.root}/run`).filter((name) => name.startsWith("rtnodectl."))).toEqual([]);
});

test("the way back waits for no sender", async () => {
  const child = begin(SECOND);
  await answerOf(child, SECOND);
  expect(await board.rtnodectl(["revert", FIRST.id])).toMatchObject({ status: 0 });
  child.stdin.end();
  expect(await once(child, "close")).toEqual([1, null]);
});

test("what is no release and no time is refused", async () => {
  expect((await board.rtnodectl(["deploy", "../x", "--confirm-within", "30"])).status).toBe(2);
  expect((await board.rtnodectl(["deploy", SECOND.id, "--confirm-within", "0"])).status).toBe(2);
  const { status, stderr } = await board.rtnodectl(["deploy", SECOND.id, "--confirm-within", "30"], "GET /\r\n");
  expect({ status, stderr }).toEqual({ status: 1, stderr: expect.stringContaining("what was sent is no release") });
  expect(readFileSync(board.opt(`releases/${FIRST.id}/nodes/imu.pyz`), "utf8")).toBe("imu 1");
});
