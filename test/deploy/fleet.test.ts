import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { deployToAll } from "../../src/cli/deploy/deploy-boards.ts";
import type { BoardResult, FleetLimits } from "../../src/cli/deploy/fleet.ts";
import type { CommandResult } from "../../src/cli/session.ts";
import { exec } from "../../src/core/exec.ts";
import { formatAddress, type Address } from "../../src/deploy/address.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import type { Release } from "../../src/deploy/release.ts";
import { freePort } from "../../src/emulate/free-port.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoards, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let temporary: string;
let context: ReturnType<typeof watchedContext>;
beforeEach(async () => {
  operator = await makeOperator();
  temporary = scratchDir("rtkit-tmp-");
  context = watchedContext("");
  vi.stubEnv("TMPDIR", temporary);
  return () => vi.unstubAllEnvs();
});

type Result = CommandResult & {
  readonly result: { readonly targets: readonly BoardResult[]; readonly summary: Readonly<Record<string, number>> };
};

async function deploy(
  addresses: readonly Address[],
  release: Release,
  limits: Partial<FleetLimits> = {},
): Promise<Result> {
  const all = { timeoutSeconds: 60, concurrency: 10, canary: 0, maxFailures: addresses.length, ...limits };
  const { settings } = operator;
  const options = { settings, concurrency: all.concurrency, signal: context.signal };
  const result = await withConnections(addresses, options, async (boards) =>
    deployToAll(context, boards, release, all),
  );
  return result as Result;
}

const addressOf = ({ address }: FakeBoard): Address => address;
const codes = ({ result }: Result): (string | null)[] => result.targets.map(({ code }) => code);
const release = releaseOf({ name: "imu" });
const REFUSES = 'echo "rtnodectl: no" >&2; exit 1';

describe("four boards", () => {
  let boards: readonly FakeBoard[];
  beforeEach(async () => {
    boards = await fakeBoards(operator, 4);
  });

  it("when the canary fails the others are left out, and are told; run again, only what is missing is done", async () => {
    boards[0]?.before(REFUSES);
    const first = await deploy(boards.map(addressOf), release, { canary: 1 });
    expect(codes(first)).toEqual([
      "RTK_DEPLOY_REFUSED",
      "RTK_DEPLOY_LEFT_OUT",
      "RTK_DEPLOY_LEFT_OUT",
      "RTK_DEPLOY_LEFT_OUT",
    ]);
    expect(first.result.summary).toEqual({ ok: 0, unchanged: 0, failed: 1, leftOut: 3 });
    expect(first.text).toContain("left out: ");
    expect(first.text).toContain("1 of the first 1 boards failed [RTK_DEPLOY_LEFT_OUT]");
    expect(first.text).toMatch(/4 boards: 0 ok, 0 unchanged, 1 failed, 3 left out$/);
    expect(boards.slice(1).flatMap((board) => board.commands())).toEqual([]);
    expect(first.status).toBe(1);
    // Each is told as it happens, too.
    const told = context.events.flatMap((event) => (event.type === "target" ? [event.result] : []));
    expect(told).toHaveLength(4);
    expect(told).toEqual(expect.arrayContaining([...first.result.targets]));

    boards[0]?.before("");
    await deploy(boards.slice(0, 2).map(addressOf), release);
    const again = await deploy(boards.map(addressOf), release, { canary: 1 });
    expect(again.result.summary).toEqual({ ok: 2, unchanged: 2, failed: 0, leftOut: 0 });
    expect(again.status).toBe(0);
  });

  it("after too many failures no further wave is begun", async () => {
    for (const board of boards.slice(0, 2)) board.before(REFUSES);
    const stopped = await deploy(boards.map(addressOf), release, { concurrency: 2, maxFailures: 1 });
    expect(codes(stopped).slice(2)).toEqual(["RTK_DEPLOY_LEFT_OUT", "RTK_DEPLOY_LEFT_OUT"]);
    expect(stopped.text).toContain("2 boards failed, and --max-failures is 1");
  });
});

it(
  "of fifty boards five are broken, each in its way: these are told apart, and the others are well",
  { timeout: 300_000 },
  async () => {
    const boards = await fakeBoards(operator, 50);
    const [full, failing, cut, foreign] = boards;
    if (full === undefined || failing === undefined || cut === undefined || foreign === undefined)
      throw new Error("few");
    const [refusing, ...others] = boards.slice(4);
    await deploy([addressOf(failing)], releaseOf({ name: "imu", version: "before" }));
    // Like a full disk: no file takes a byte.
    full.before('case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) trap "" XFSZ; ulimit -f 0;; esac');
    failing.nodesDo("fails");
    cut.before('case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) kill -9 "$PPID"; exit 1;; esac');
    const key = (await exec("ssh-keygen", ["-y", "-f", `${operator.dir}/key`])).stdout.trim();
    writeFileSync(operator.knownHosts, `[127.0.0.1]:${foreign.address.port} ${key}\n`);
    const silent = { ...addressOf(refusing ?? full), port: await freePort() };

    const addresses = [...[full, failing, cut, foreign].map(addressOf), silent, ...others.map(addressOf)];
    expect(addresses).toHaveLength(50);
    const done = await deploy(addresses, release);
    const broken = done.result.targets.filter(({ ok }) => !ok);
    expect(broken.map(({ host, code }) => [host, code])).toEqual([
      [formatAddress(full.address), "RTK_DEPLOY_REFUSED"],
      [formatAddress(failing.address), "RTK_DEPLOY_UNHEALTHY"],
      [formatAddress(cut.address), "RTK_SSH_LOST"],
      [formatAddress(foreign.address), "RTK_SSH_HOST_KEY_CHANGED"],
      [formatAddress(silent), "RTK_SSH_REFUSED"],
    ]);
    expect(done.result.summary).toEqual({ ok: 45, unchanged: 0, failed: 5, leftOut: 0 });
    expect(done.text).toMatch(/50 boards: 45 ok, 0 unchanged, 5 failed, 0 left out$/);
    expect(await Promise.all(others.map((board) => board.current()))).toEqual(others.map(() => release.id));
    expect(others.some(({ root }) => existsSync(`${root}/opt/rtnode/pending`))).toBe(false);
    expect(readdirSync(temporary).filter((name) => name.startsWith("rtkit-ssh"))).toEqual([]);
  },
);
