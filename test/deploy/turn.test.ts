import { rm, utimes, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { deployRelease, type Deployed } from "../../src/deploy/board.ts";
import { connect } from "../../src/deploy/transport.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let board: FakeBoard;
let said: string[];
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  said = [];
});

const { signal } = new AbortController();
const release = releaseOf({ name: "imu" });

async function deploy(timeoutSeconds: number, progress = (text: string) => void said.push(text)): Promise<Deployed> {
  const connection = await connect(board.address, operator.settings, signal);
  try {
    return await deployRelease(connection, release, { timeoutSeconds, progress, warn: () => undefined, signal });
  } finally {
    await connection.close();
  }
}

const pending = (): string => join(board.root, "opt/rtnode/pending");
const other = sha256("other");

/** What eve's deploy leaves, at ten o'clock. */
async function waitsForEve(): Promise<void> {
  await writeFile(pending(), `${other} ${sha256("before")} eve\n`);
  const ten = new Date("2026-01-01T10:00:00Z");
  await utimes(pending(), ten, ten);
}

it("a deploy waits until another one's release is confirmed, and goes on", async () => {
  await waitsForEve();
  const done = await deploy(50, (text) => {
    said.push(text);
    if (text.startsWith("waits")) void rm(pending(), { force: true });
  });
  expect(said).toContain("waits for the deploy of eve (10:00:00 UTC)");
  expect(done.changed).toBe(true);
  expect(await board.current()).toBe(release.id);
});

it("when that takes too long it fails, and says whose it is", async () => {
  await waitsForEve();
  await expect(deploy(0.5)).rejects.toMatchObject({
    error: {
      code: "RTK_DEPLOY_BUSY",
      message: `127.0.0.1:${board.address.port} is in another deploy: eve (10:00:00 UTC) activated ${other.slice(0, 12)}, which is not confirmed yet`,
    },
    rolledBack: false,
  });
  board.commands();
});

it("two deploys of the same release at once are both well", async () => {
  const both = await Promise.all([deploy(50), deploy(50)]);
  expect(both.some(({ changed }) => changed)).toBe(true);
  expect(await board.current()).toBe(release.id);
  expect(board.commands().filter((command) => command.startsWith("revert"))).toEqual([]);
});
