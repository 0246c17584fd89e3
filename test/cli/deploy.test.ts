import { existsSync } from "node:fs";
import { mkdir, mkdtemp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { chooseBoards, oneBoard } from "../../src/cli/deploy/boards.ts";
import { deployBoards, deployToAll, type BuildProject } from "../../src/cli/deploy/deploy-boards.ts";
import { previewBoards } from "../../src/cli/deploy/preview-boards.ts";
import { boardsAtOnce, canaryBoards, failuresAllowed, healthTimeout } from "../../src/cli/deploy/settings.ts";
import { runCli } from "../../src/cli/program.ts";
import type { CommandResult } from "../../src/cli/session.ts";
import type { Target } from "../../src/config/model.ts";
import { formatAddress } from "../../src/deploy/address.ts";
import { withConnections, type Board } from "../../src/deploy/connect-all.ts";
import type { Release } from "../../src/deploy/release.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { releaseOf } from "../deploy/releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../deploy/sshd.ts";
import { countingStep, watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";

const scratch = scratchDir("rtkit-cli-deploy-");

const targets: readonly Target[] = [
  { name: "bench", hosts: ["arm.local"], user: "robot", port: null },
  { name: "line", hosts: ["10.0.0.1", "10.0.0.2"], user: "me", port: 2222 },
];

describe("which boards", () => {
  const chosen = (names: string[], hosts?: string[], of = targets): string[] =>
    chooseBoards(of, names, hosts).map((address) => `${address.user}@${formatAddress(address)}`);

  it("are those of the only target, of the named ones, and of --host, each once", () => {
    expect(chosen([], undefined, targets.slice(0, 1))).toEqual(["robot@arm.local"]);
    expect(chosen(["line"])).toEqual(["me@10.0.0.1:2222", "me@10.0.0.2:2222"]);
    expect(chosen(["bench", "bench"], ["arm.local", "me@other"])).toEqual(["robot@arm.local", "me@other"]);
    expect(chosen([], ["other"])).toEqual(["robot@other"]);
  });

  it.each([
    [[], targets, "name those you mean: bench, line"],
    [[], [], "add for example targets"],
    [["bensh"], targets, "did you mean bench? there are bench, line"],
    [["bench"], [], "the project file has none"],
  ])("%j of %j is a mistake with a remedy", (names, of, hint) => {
    const error = expect.objectContaining({
      code: "RTK_DEPLOY_TARGET",
      exitStatus: 2,
      hint: expect.stringContaining(hint),
    });
    expect(() => chooseBoards(of, names)).toThrow(error);
  });

  it("must be one where only one can be meant", () => {
    const hint = "say which: --host me@10.0.0.1:2222 or --host me@10.0.0.2:2222";
    expect(() => oneBoard(chooseBoards(targets, ["line"]))).toThrow(expect.objectContaining({ hint }));
  });
});

it.each(["0", "-1", "soon", "3601", ""])("--timeout %j is refused", (asked) => {
  expect(() => healthTimeout(asked)).toThrow(expect.objectContaining({ code: "RTK_DEPLOY_TIMEOUT_VALUE" }));
});

it.each(["0", "1.5", "many", ""])("--concurrency %j is refused", (asked) => {
  expect(() => boardsAtOnce(asked)).toThrow(expect.objectContaining({ code: "RTK_DEPLOY_CONCURRENCY" }));
});

it.each(["-1", "1.5", "few", ""])("--canary %j and --max-failures %j are refused", (asked) => {
  expect(() => canaryBoards(asked)).toThrow(expect.objectContaining({ code: "RTK_DEPLOY_CANARY" }));
  expect(() => failuresAllowed(asked, 10)).toThrow(expect.objectContaining({ code: "RTK_DEPLOY_MAX_FAILURES" }));
});

it("unless it is said, half of the boards at once may fail", () => {
  expect([failuresAllowed(undefined, 10), failuresAllowed(undefined, 1), failuresAllowed("0", 10)]).toEqual([5, 0, 0]);
});

describe("with boards", () => {
  let operator: Operator;
  let board: FakeBoard;
  let printed: string;
  beforeEach(async () => {
    operator = await makeOperator();
    board = await fakeBoard(operator);
    printed = "";
    vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
    vi.spyOn(process.stderr, "write").mockImplementation((text) => ((printed += String(text)), true));
  });
  afterEach(() => vi.restoreAllMocks());

  const context = watchedContext("");

  function reaching<T>(boards: readonly FakeBoard[], work: (boards: readonly Board[]) => Promise<T>): Promise<T> {
    const options = { settings: operator.settings, concurrency: 5, signal: context.signal };
    const addresses = boards.map(({ address }) => address);
    return withConnections([...addresses, { ...board.address, host: "board.invalid" }], options, work);
  }

  const deploy = (boards: readonly FakeBoard[], release: Release): Promise<CommandResult> =>
    reaching(boards, (reached) =>
      deployToAll(context, reached, release, { timeoutSeconds: 20, concurrency: 2, canary: 0, maxFailures: 2 }),
    );

  async function rtkit(...words: string[]): Promise<number> {
    printed = "";
    const { user } = board.address;
    return runCli([
      ...words,
      "--host",
      `${user}@${formatAddress(board.address)}`,
      "--ssh-config",
      operator.settings.config ?? "",
      "--accept-new",
    ]);
  }

  it("one that cannot be reached and one whose node fails are told beside the one that is well", async () => {
    const bad = await fakeBoard(operator);
    bad.before('case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) echo "rtnodectl: disk full" >&2; exit 1;; esac');
    const release = releaseOf({ name: "imu" });
    const { result, text, status } = await deploy([board, bad], release);
    expect(status).toBe(1);
    expect(result).toMatchObject({
      release: release.id,
      targets: [
        {
          host: formatAddress(board.address),
          ok: true,
          release: release.id,
          previous: null,
          rolledBack: false,
          reason: null,
        },
        { host: formatAddress(bad.address), ok: false, code: "RTK_DEPLOY_REFUSED", rolledBack: false },
        { ok: false, code: "RTK_SSH_HOST_NOT_FOUND", sentBytes: 0, seconds: expect.any(Number) },
      ],
    });
    expect(text).toContain(`${formatAddress(board.address)}  ${release.id.slice(0, 12)} is active (before: none)`);
    expect(text).toContain(`${formatAddress(bad.address)}  failed: `);
    expect(text).toContain("refused: disk full [RTK_DEPLOY_REFUSED]");
    expect(text).toContain("imu[101]: says ?[31mhello");
  });

  it("--dry-run says what would be sent and restarted, and changes nothing", async () => {
    await deploy([board], releaseOf({ name: "imu" }, { name: "old" }));
    board.commands();
    const next = releaseOf({ name: "imu", priority: 41 }, { name: "arm" });
    const { result, text } = await reaching([board], (reached) => previewBoards(reached, next, 2));
    expect(result).toMatchObject({
      dryRun: true,
      targets: [{ ok: true, signed: false, restarts: ["imu", "arm"], stops: ["old"] }, { ok: false }],
    });
    expect(text).toMatch(/would send [\d.]+ KiB \(2 files\), restart imu, arm, stop old/);
    expect(board.commands()).toEqual(["status --json", "blobs", "cat /opt/rtnode/current/manifest.json"]);
  });

  it("the cache is put in order when the board has the release: nobody waits for that", async () => {
    const dir = await mkdtemp(join(scratch, "robot-"));
    await writeFile(join(dir, "rtkit.yaml"), "name: robot\nboard: rpi4\nnodes: { imu: { entry: imu.py } }\n");
    await writeFile(join(dir, "imu.py"), "");
    const cacheDir = join(dir, "cache");
    const leftBehind = join(cacheDir, "bulk", "tmp-0123456789abcdef-00000000");
    const release = releaseOf({ name: "imu" });
    const build: BuildProject = async (inner) => {
      await runStep(inner, countingStep("a").step);
      await mkdir(leftBehind, { recursive: true });
      return release;
    };
    board.before(`[ ! -d '${leftBehind}' ] || echo "$SSH_ORIGINAL_COMMAND" >>'${join(dir, "not-in-order")}'`);
    const { user } = board.address;
    const host = [`${user}@${formatAddress(board.address)}`];
    const limits = { timeout: "20", concurrency: "1", canary: "0" };
    const options = {
      project: dir,
      host,
      sshConfig: operator.settings.config ?? "",
      acceptNew: true,
      ...limits,
    } as const;
    expect(await deployBoards(watchedContext(cacheDir), [], options, build)).toMatchObject({ status: 0 });
    expect(await readFile(join(dir, "not-in-order"), "utf8")).toContain(` confirm ${release.id}`);
    expect(existsSync(leftBehind)).toBe(false);
  });

  it("rollback goes to the previous release, or to one by the beginning of its id; status shows them", async () => {
    const [first, second] = [releaseOf({ name: "imu" }), releaseOf({ name: "imu", version: "2" })];
    await deploy([board], first);
    expect(await rtkit("rollback", "--dry-run", "--json")).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({ targets: [{ code: "RTK_DEPLOY_RELEASE" }] });
    await deploy([board], second);
    expect(await rtkit("rollback", "--dry-run")).toBe(0);
    expect(printed).toContain(`${first.id.slice(0, 12)} would be active (before: ${second.id.slice(0, 12)})`);
    expect(await rtkit("rollback", second.id, "--dry-run", "--json")).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({ targets: [{ code: "RTK_DEPLOY_RELEASE" }] });
    expect(await rtkit("rollback", first.id.slice(0, 9), "--dry-run", "--json")).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({ targets: [{ dryRun: true, release: first.id, previous: second.id }] });
    expect(await board.current()).toBe(second.id);
    expect(await rtkit("rollback", "--json")).toBe(0);
    const gone = { ok: true, dryRun: false, release: first.id, previous: second.id };
    expect(JSON.parse(printed)).toMatchObject({ targets: [gone] });
    expect(await board.current()).toBe(first.id);
    expect(await rtkit("rollback", second.id.slice(0, 8))).toBe(0);
    expect(printed).toContain(`${second.id.slice(0, 12)} is active (before: ${first.id.slice(0, 12)})`);
    expect(await rtkit("rollback", "ffff", "--json")).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({ targets: [{ code: "RTK_DEPLOY_RELEASE" }] });

    expect(await rtkit("status", "--json")).toBe(0);
    expect(JSON.parse(printed)).toMatchObject({
      release: second.id,
      nodes: [{ name: "imu", state: "active", policy: "fifo", priority: 40, cpus: "3" }],
      targets: [{ ok: true, previous: first.id }],
    });
    expect(await rtkit("status")).toBe(0);
    expect(printed).toContain(`release ${second.id.slice(0, 12)}, previous ${first.id.slice(0, 12)}\n`);
    expect(printed).toMatch(/^imu +active +\d+ +fifo +40 +3 /m);
  });

  it("logs pass the journal's lines on, and ask for nothing but a node's name and a number of seconds", async () => {
    expect(await rtkit("logs", "imu", "--since", "2min")).toBe(0);
    expect(printed).toBe("imu[101]: says ?[31mhello\n");
    expect(board.commands()).toEqual([
      "journalctl --quiet --no-pager --all --output=short-precise --since=-120s --unit=rtnode@imu.service",
    ]);
    expect(await rtkit("logs", "--json")).toBe(0);
    expect(JSON.parse(printed.split("\n")[0] ?? "")).toMatchObject({ type: "log", line: "imu[101]: says ?[31mhello" });
    expect(board.commands()).toEqual([
      "journalctl --quiet --no-pager --all --output=short-precise _SYSTEMD_SLICE=system-rtnode.slice",
    ]);
    expect(await rtkit("logs", "imu; reboot")).toBe(2);
    expect(printed).toContain("RTK_DEPLOY_NODE");
    expect(await rtkit("logs", "--since", "yesterday")).toBe(2);
    expect(printed).toContain("RTK_DEPLOY_SINCE");
    board.before("echo 'No journal files were opened due to insufficient permissions.' >&2; exit 1");
    expect(await rtkit("logs")).toBe(1);
    expect(printed).toContain("must be in the board's group systemd-journal");
    expect(printed).toContain("RTK_DEPLOY_LOGS");
  });
});
