import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { DeployFailure, deployRelease, type Deployed } from "../../src/deploy/board.ts";
import type { Release } from "../../src/deploy/release.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { connect, type Connection } from "../../src/deploy/transport.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let board: FakeBoard;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
});

const { signal } = new AbortController();

async function withBoard<T>(work: (connection: Connection) => Promise<T>): Promise<T> {
  const connection = await connect(board.address, operator.settings, signal);
  try {
    return await work(connection);
  } finally {
    await connection.close();
  }
}

async function deploy(
  release: Release,
  timeoutSeconds = 20,
  warn: (text: string) => void = () => undefined,
): Promise<Deployed> {
  return withBoard((connection) =>
    deployRelease(connection, release, { timeoutSeconds, progress: () => undefined, warn, signal }),
  );
}

async function failure(deploying: Promise<unknown>): Promise<DeployFailure> {
  const error: unknown = await deploying.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  if (!(error instanceof DeployFailure)) throw error;
  return error;
}

it("sends a release, makes it active and confirms it; then only what changed, and nothing the third time", async () => {
  const first = releaseOf({ name: "imu" }, { name: "arm" });
  const done = await deploy(first);
  expect(done).toMatchObject({ previous: null, changed: true });
  expect(done.log).toEqual(["imu[101]: says ?[31mhello"]);
  expect(await board.current()).toBe(first.id);
  expect(board.restarted().toSorted()).toEqual(["arm", "imu"]);
  expect(board.commands()).toContain(`confirm ${first.id}`);

  const second = releaseOf({ name: "imu", version: "2" }, { name: "arm" });
  const { sentBytes, previous } = await deploy(second);
  expect(previous).toBe(first.id);
  const bundle = Buffer.from("runs\n2\n");
  const heads = 2 * "BLOB  \n".length + 2 * 64 + "SUMS \nALL \nEND\n".length;
  const manifest = [...second.blobs.values()].find((content) => content.includes("schedule"))?.length ?? 0;
  // The list, the manifest, the one bundle, and the sizes' few digits.
  expect(sentBytes - second.sums.length - manifest - bundle.length - heads).toBeLessThan(12);
  expect(board.restarted()).toEqual(["imu"]);

  board.commands();
  expect(await deploy(second)).toEqual({ previous: first.id, changed: false, sentBytes: 0, activeAt: null, log: [] });
  expect(board.commands()).toEqual([`deploy ${second.id} --confirm-within 35`]);
});

it("sends equal content once, and nothing that an older release has", async () => {
  await deploy(releaseOf({ name: "imu" }));
  await deploy(releaseOf({ name: "imu", version: "2" }));
  // The bundle of the first release, the options of both: only list and manifest are new.
  const { blobs, sums } = releaseOf({ name: "imu" }, { name: "twin" });
  const { sentBytes } = await deploy(releaseOf({ name: "imu" }, { name: "twin" }));
  const manifest = [...blobs.values()].find((content) => content.includes("schedule"))?.length ?? 0;
  expect(sentBytes - sums.length - manifest).toBeLessThan(64 + "SUMS 000\nALL 000\nBLOB  000\nEND\n".length + 1);
});

it("goes back when a node fails, and says why with its last lines", async () => {
  const good = releaseOf({ name: "imu" });
  await deploy(good);
  const bad = releaseOf({ name: "imu", does: "fails" });
  const { error, rolledBack, previous, sentBytes } = await failure(deploy(bad));
  expect({ rolledBack, previous }).toEqual({ rolledBack: true, previous: good.id });
  expect(sentBytes).toBeGreaterThan(0);
  expect(error.code).toBe("RTK_DEPLOY_UNHEALTHY");
  expect(error.message).toContain("imu failed: cannot open /dev/i2c-1");
  expect(error.message).toContain("its last lines:\n  imu[101]: says ?[31mhello");
  expect(await board.current()).toBe(good.id);
});

it("says so when there is nothing to go back to", async () => {
  const { error, rolledBack } = await failure(deploy(releaseOf({ name: "imu", does: "fails" })));
  expect(rolledBack).toBe(false);
  expect(error.message).toMatch(/and it did not go back: .* refused: .*there was none before/);
});

it("goes back when a node was started again by systemd, also when it is active by then", async () => {
  await deploy(releaseOf({ name: "imu" }));
  const { error, rolledBack } = await failure(deploy(releaseOf({ name: "imu", does: "restarts" })));
  expect(rolledBack).toBe(true);
  expect(error.message).toContain("imu ended and was started again");
});

it("goes back when the board cannot say how its nodes are", async () => {
  const first = releaseOf({ name: "imu" });
  await deploy(first);
  for (const answer of ["exit 1", "echo '{}'; exit 0"]) {
    board.before(`case $SSH_ORIGINAL_COMMAND in *'rtnodectl status'*) ${answer} ;; esac`);
    const { error, rolledBack } = await failure(deploy(releaseOf({ name: "imu", version: answer })));
    expect(rolledBack, answer).toBe(true);
    expect(["RTK_DEPLOY_REFUSED", "RTK_DEPLOY_ANSWER"]).toContain(error.code);
    expect(await board.current()).toBe(first.id);
  }
});

it("says that a release stays that another deploy has found well meanwhile", async () => {
  await deploy(releaseOf({ name: "imu" }));
  const next = releaseOf({ name: "imu", version: "2" });
  const confirm = "sh '" + join(rtkitRoot, "src/device/rtnodectl") + `' confirm ${next.id}`;
  board.nodesDo("fails");
  board.before(`case $SSH_ORIGINAL_COMMAND in *'rtnodectl revert'*) ${confirm} ;; esac`);
  const { error, rolledBack } = await failure(deploy(next));
  expect(rolledBack).toBe(false);
  expect(error).toMatchObject({ code: "RTK_DEPLOY_UNHEALTHY", message: expect.stringContaining("and it stays") });
  expect(await board.current()).toBe(next.id);
});

it("takes a board for lost that says of itself what cannot be: no path, no time without a date", async () => {
  const next = releaseOf({ name: "imu" });
  for (const change of [
    's/"previous":null/"previous":"../x"/',
    's/"newestRecord":null/"newestRecord":99999999999999/',
  ]) {
    board.before(`case $SSH_ORIGINAL_COMMAND in *'rtnodectl deploy'*)
      printf '{"release":null,"previous":null,"pending":null,"signed":false,"newestRecord":null,"wanted":[]}\\n' | sed '${change}'; exit 0 ;; esac`);
    expect((await failure(deploy(next))).error, change).toMatchObject({ code: "RTK_DEPLOY_ANSWER" });
  }
});

it("goes back when a node did not get the policy that it asks for in time", async () => {
  await deploy(releaseOf({ name: "imu" }));
  const { error, rolledBack } = await failure(deploy(releaseOf({ name: "imu", does: "other-policy" }), 0.5));
  expect(rolledBack).toBe(true);
  expect(error.message).toContain("imu is active with policy other, and fifo is asked for, after 0.5 s");
});

it("a release that was sent and not activated is not sent again, and one that was not confirmed is confirmed", async () => {
  const release = releaseOf({ name: "imu" });
  writeFileSync(join(board.root, "bin/systemd-run"), "#!/bin/sh\nexit 1\n", { mode: 0o755 });
  const refused = await failure(deploy(release));
  expect(refused).toMatchObject({ rolledBack: false, error: { code: "RTK_DEPLOY_REFUSED" } });
  expect(refused.sentBytes).toBeGreaterThan(400);
  writeFileSync(join(board.root, "bin/systemd-run"), "#!/bin/sh\n");
  board.before('case $SSH_ORIGINAL_COMMAND in *confirm\\ *) kill -9 "$PPID"; exit 1;; esac');
  const { error, rolledBack, sentBytes } = await failure(deploy(release));
  expect({ code: error.code, rolledBack }).toEqual({ code: "RTK_SSH_LOST", rolledBack: null });
  expect(sentBytes).toBe(`SUMS ${release.sums.length}\nEND\n`.length + release.sums.length);
  expect(error.message).toContain("had no release to go back to: it is on this one, or on none");
  board.before("");
  board.commands();
  expect(board.restarted()).toEqual(["imu"]);
  expect(await deploy(release)).toMatchObject({ changed: true, sentBytes: 0 });
  expect(board.commands()).toContain(`confirm ${release.id}`);
  expect(board.restarted()).toEqual([]);
});

it("a link that is cut while files are sent leaves the board as it was", async () => {
  const first = releaseOf({ name: "imu" });
  await deploy(first);
  board.before('case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) head -c 100 >/dev/null; kill -9 "$PPID"; exit 1;; esac');
  const { error, rolledBack } = await failure(deploy(releaseOf({ name: "imu", version: "2" })));
  expect({ code: error.code, rolledBack }).toEqual({ code: "RTK_SSH_LOST", rolledBack: false });
  expect(await board.current()).toBe(first.id);
});

it("says the board's own words when it refuses", async () => {
  const release = releaseOf({ name: "imu" });
  board.before(
    'case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) echo "rtnodectl: somebody is at work" >&2; exit 1;; esac',
  );
  const { error } = await failure(deploy(release));
  expect(error.code).toBe("RTK_DEPLOY_REFUSED");
  expect(error.message).toMatch(/^127\.0\.0\.1:\d+ refused: somebody is at work$/);
});

it.each([
  ["RTK_DEPLOY_SUDO", "echo 'sudo: a password is required' >&2; exit 1"],
  ["RTK_DEPLOY_NO_RTNODECTL", "echo 'sudo: /usr/lib/rtnode/rtnodectl: command not found' >&2; exit 1"],
  ["RTK_DEPLOY_NO_RTNODECTL", "echo 'bash: line 1: sudo: command not found' >&2; exit 127"],
  ["RTK_DEPLOY_BOARD_OLD", "echo 'usage: rtnodectl apply' >&2; exit 2"],
  ["RTK_DEPLOY_ANSWER", `echo '{"release":"abc","nodes":[]}'; exit 0`],
])("a board that is none, or another one, is named: %s", async (code, script) => {
  board.before(script);
  await expect(deploy(releaseOf({ name: "imu" }))).rejects.toMatchObject({ error: { code } });
});

it("warns of CPUs that a real-time node asks for and the board's kernel does not keep free: that is the image's part", async () => {
  const folder = join(board.root, "sys/devices/system/cpu");
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, "isolated"), "1-2\n");
  const warnings: string[] = [];
  await deploy(releaseOf({ name: "imu" }), 20, (text) => warnings.push(text));
  expect(warnings).toEqual([
    expect.stringMatching(/^127\.0\.0\.1:\d+: CPUs .* not isolated there: 3 \(imu\); build and/),
  ]);
  writeFileSync(join(folder, "isolated"), "2-3\n");
  await deploy(releaseOf({ name: "imu", version: "2" }), 20, (text) => warnings.push(text));
  expect(warnings).toHaveLength(1);
});
