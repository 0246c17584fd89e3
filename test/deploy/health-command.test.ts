import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, expect, it } from "vitest";
import { healthCommand } from "../../src/cli/deploy/checks.ts";
import { DeployFailure, deployRelease, type Deployed } from "../../src/deploy/board.ts";
import type { Release } from "../../src/deploy/release.ts";
import { connect } from "../../src/deploy/transport.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let board: FakeBoard;
let dir: string;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  dir = scratchDir("rtkit-project-");
});

const context = watchedContext("");

/** Deploys with a health check of the project, and within this many seconds. */
async function deploy(release: Release, command: string, timeoutSeconds = 20): Promise<Deployed> {
  const connection = await connect(board.address, operator.settings, context.signal);
  const health = healthCommand(context, { dir, deploy: { check: null, health: command } });
  try {
    const { signal } = context;
    return await deployRelease(connection, release, {
      timeoutSeconds,
      health,
      progress: () => undefined,
      warn: () => undefined,
      signal,
    });
  } finally {
    await connection.close();
  }
}

async function failure(deploying: Promise<unknown>): Promise<DeployFailure> {
  const error: unknown = await deploying.catch((reason: unknown) => reason);
  if (!(error instanceof DeployFailure)) throw error;
  return error;
}

it("is asked before the board may keep the release, knows where that is, and reaches it by the open connection", async () => {
  const release = releaseOf({ name: "imu" });
  board.before(`case $SSH_ORIGINAL_COMMAND in uptime) echo "up from $SSH_CONNECTION"; exit;; esac`);
  // Whoever runs this may have a cache elsewhere.
  const command = 'env | grep ^RTKIT_ | grep -v ^RTKIT_CACHE | sort >said; ssh -F "$RTKIT_SSH_CONFIG" board uptime >up';
  expect(await deploy(release, command)).toMatchObject({ changed: true });
  const { host, port, user } = board.address;
  expect(readFileSync(join(dir, "said"), "utf8").split("\n")).toEqual([
    `RTKIT_HOST=${host}`,
    `RTKIT_PORT=${port}`,
    `RTKIT_RELEASE=${release.id}`,
    expect.stringMatching(/^RTKIT_SSH_CONFIG=\/.*\/config$/),
    `RTKIT_USER=${user}`,
    "",
  ]);
  expect(readFileSync(join(dir, "up"), "utf8")).toMatch(/^up from 127\.0\.0\.1 /);
  const commands = board.commands();
  expect(commands.indexOf("uptime")).toBeLessThan(commands.indexOf(`confirm ${release.id}`));
});

it("sends the board back when it fails, with its last lines", async () => {
  const good = releaseOf({ name: "imu" });
  await deploy(good, "true");
  const { error, rolledBack } = await failure(
    deploy(releaseOf({ name: "imu", version: "2" }), "echo the arm hangs down >&2; exit 4"),
  );
  expect({ code: error.code, rolledBack }).toEqual({ code: "RTK_DEPLOY_HEALTH", rolledBack: true });
  expect(error.message).toMatch(
    /^the project's health check failed for 127\.0\.0\.1:\d+: echo .* ended with 4; its last/,
  );
  expect(error.message).toContain("\n  the arm hangs down");
  expect(await board.current()).toBe(good.id);
});

it("sends the board back when it takes longer than the nodes may", async () => {
  const good = releaseOf({ name: "imu" });
  await deploy(good, "true");
  const { error, rolledBack } = await failure(
    deploy(releaseOf({ name: "imu", version: "2" }), "echo asking; exec sleep 60", 3),
  );
  expect({ code: error.code, rolledBack }).toEqual({ code: "RTK_DEPLOY_HEALTH", rolledBack: true });
  expect(error.message).toContain("exec sleep 60 took too long; its last lines:\n  asking");
  expect(await board.current()).toBe(good.id);
});

it("is not asked when the nodes are not well", async () => {
  const { error } = await failure(deploy(releaseOf({ name: "imu", does: "fails" }), "touch asked"));
  expect(error.code).toBe("RTK_DEPLOY_UNHEALTHY");
  expect(() => readFileSync(join(dir, "asked"))).toThrow("ENOENT");
});
