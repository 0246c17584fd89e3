import { beforeAll, describe, expect, it } from "vitest";
import { DeployFailure, deployRelease, type Deployed } from "../../src/deploy/board.ts";
import type { Release } from "../../src/deploy/release.ts";
import { connect } from "../../src/deploy/transport.ts";
import { join } from "node:path";
import { rtkitRoot } from "../../src/core/paths.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

const { signal } = new AbortController();

/** The board's side of a command, without the rest of what the session would do. */
const RUN = `sh '${join(rtkitRoot, "src/device/rtnodectl")}' \${SSH_ORIGINAL_COMMAND#* * * }`;

/** How the connection is cut: before the board begins, after a part of what it is sent, or when it is done. */
const CUTS = {
  before: 'kill -9 "$PPID"; exit 1',
  "in the middle of": `{ head -c 30; kill -9 "$PPID"; } | ${RUN}; exit 1`,
  "in the middle of the files of": `{ dd bs=1 count=450 status=none; kill -9 "$PPID"; } | ${RUN}; exit 1`,
  "at the end of the files of": `{ sed -u '/^END/q'; kill -9 "$PPID"; } | ${RUN}; exit 1`,
  after: `${RUN}; kill -9 "$PPID"; exit 1`,
};

const COMMANDS = ["deploy", "status", "confirm"] as const;
const cuts = COMMANDS.flatMap((command) =>
  Object.entries(CUTS)
    .filter(([when]) => command === "deploy" || !when.includes("files"))
    .map(([when, script]) => ({ command, when, script })),
);

describe("a connection that is cut", () => {
  let operator: Operator;
  let board: FakeBoard;
  let version = 0;

  async function deploy(release: Release): Promise<Deployed> {
    const connection = await connect(board.address, operator.settings, signal);
    try {
      const options = { timeoutSeconds: 30, progress: () => undefined, warn: () => undefined, signal };
      return await deployRelease(connection, release, options);
    } finally {
      await connection.close();
    }
  }

  const next = (): Release => releaseOf({ name: "imu", version: `${(version += 1)}` });

  beforeAll(async () => {
    operator = await makeOperator();
    board = await fakeBoard(operator);
    await deploy(next());
  });

  it.each(cuts)("$when $command leaves the old or the new release, and the next deploy gets through", async (cut) => {
    const old = await board.current();
    const release = next();
    board.before(`case $SSH_ORIGINAL_COMMAND in *" ${cut.command}"*) ${cut.script};; esac`);
    const error: unknown = await deploy(release).catch((reason: unknown) => reason);
    const { code } = error instanceof DeployFailure ? error.error : (error as { code?: string });
    expect(code).toBe("RTK_SSH_LOST");
    expect([old, release.id]).toContain(await board.current());
    board.before("");
    await deploy(release);
    expect(await board.current()).toBe(release.id);
  });
});
