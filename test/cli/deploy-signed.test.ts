import { mkdirSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { deployToAll } from "../../src/cli/deploy/deploy-boards.ts";
import { recordOf, signFor } from "../../src/cli/deploy/signing.ts";
import { runCli } from "../../src/cli/program.ts";
import type { CommandResult } from "../../src/cli/session.ts";
import type { Signer } from "../../src/config/model.ts";
import { exec, execEnd } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatAddress } from "../../src/deploy/address.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import { parseRecord, type DeployRecord, type SourceFacts } from "../../src/deploy/record.ts";
import type { Release } from "../../src/deploy/release.ts";
import { generatedLayer } from "../../src/rootfs/generated-layer.ts";
import { nodeOf, projectOf } from "../bundle/robot.ts";
import { releaseOf } from "../deploy/releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "../deploy/sshd.ts";
import { watchedContext } from "../pipeline/fixtures.ts";
import { scratchDir } from "../scratch.ts";

const SOURCES: SourceFacts = { git: "0123456789abcdef0123456789abcdef01234567", description: "v1.2", dirty: false };
const FIRST = releaseOf({ name: "imu" });
const SECOND = releaseOf({ name: "imu", version: "2" });
const THIRD = releaseOf({ name: "imu", version: "3" });
const context = watchedContext("");

let operator: Operator;
let board: FakeBoard;
let printed: string;
/** Where keys and a project are. */
let dir: string;
let release: Signer;

async function makeKey(name: string): Promise<Signer> {
  const path = join(dir, name);
  await exec("ssh-keygen", ["-q", "-t", "ed25519", "-N", "", "-C", name, "-f", path]);
  return { key: readFileSync(`${path}.pub`, "utf8").trim(), file: `${path}.pub` };
}

/** Gives the board what an image of a project with these signers has. */
function trust(...signers: Signer[]): void {
  const project = projectOf(dir, [nodeOf(dir, "imu.py")]);
  const image = { ...project.image, signers };
  const { entries } = generatedLayer({ ...project, image }, { partitions: [], cmdline: [] });
  const content = entries.find(({ path }) => path === "etc/rtnode/allowed_signers")?.content;
  mkdirSync(join(board.root, "etc/rtnode"), { recursive: true });
  writeFileSync(join(board.root, "etc/rtnode/allowed_signers"), content?.kind === "text" ? content.text : "");
}

/** Puts two releases on the board, of which the second is current and the first was before. */
function hasTwo(): void {
  const rtnode = join(board.root, "opt/rtnode");
  for (const [name, { id, sums }] of Object.entries({ previous: FIRST, current: SECOND })) {
    mkdirSync(join(rtnode, `releases/${id}/nodes`), { recursive: true });
    writeFileSync(join(rtnode, `releases/${id}/SHA256SUMS`), sums);
    symlinkSync(`releases/${id}`, join(rtnode, name));
  }
  const facts = "description v1.1\ndirty yes\nuser eva\nhost lab";
  writeFileSync(
    join(rtnode, `releases/${FIRST.id}/record`),
    `release ${FIRST.id}\ntime 1780000000\ngit ${"f".repeat(40)}\n${facts}\n`,
  );
}

/** What `rtkit deploy` does once it has built a release, for a project with these signers. */
async function deploy(made: Release, signers: readonly Signer[], sign?: string): Promise<CommandResult> {
  const options = { settings: operator.settings, concurrency: 1, signal: context.signal };
  return withConnections([board.address], options, async (reached) => {
    const signer = signFor(sign === undefined ? {} : { sign }, async () => signers, context.signal);
    const seal = { record: recordOf(made.id, SOURCES), sign: signer };
    return deployToAll(context, reached, made, { timeoutSeconds: 20, concurrency: 1, canary: 0, maxFailures: 0, seal });
  });
}

const failureOf = ({ result }: CommandResult): unknown => (result as { targets: unknown[] }).targets[0];

async function rtkit(...words: string[]): Promise<number> {
  printed = "";
  const host = `${board.address.user}@${formatAddress(board.address)}`;
  return runCli([...words, "--host", host, "--ssh-config", operator.settings.config ?? "", "--accept-new"]);
}

const keptRecord = (): DeployRecord => parseRecord(readFileSync(join(board.root, "opt/rtnode/current/record"), "utf8"));

beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  dir = scratchDir("rtkit-signers-");
  release = await makeKey("release");
  vi.stubEnv("SSH_AUTH_SOCK", undefined);
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation((text) => ((printed += String(text)), true));
});
afterEach(() => {
  vi.unstubAllEnvs();
  vi.restoreAllMocks();
});

describe("a board that asks for no signatures", () => {
  it("keeps the record of each deploy, and status shows it", async () => {
    expect(await deploy(FIRST, [])).toMatchObject({ status: 0 });
    expect(await rtkit("status", "--json")).toBe(0);
    const who = { user: expect.any(String), host: expect.any(String), time: expect.any(Number) };
    expect(JSON.parse(printed)).toMatchObject({ signed: false, record: { release: FIRST.id, ...SOURCES, ...who } });
    expect(await rtkit("status")).toBe(0);
    expect(printed).toMatch(/^deployed v1\.2 by \S+ from \S+ at \d{4}-\d\d-\d\d \d\d:\d\d:\d\d UTC$/m);
  });

  it("rolls back with a new record of the older release, which keeps what is known of its sources", async () => {
    hasTwo();
    expect(await rtkit("rollback")).toBe(0);
    const { time, user, ...rest } = keptRecord();
    expect(rest).toMatchObject({ release: FIRST.id, git: "f".repeat(40), description: "v1.1", dirty: true });
    expect([time > 1_780_000_000, user === "eva"]).toEqual([true, false]);
  });

  it("rolls back as ever where rtnodectl is older than records", async () => {
    hasTwo();
    const old = `sed 's/"record":.*"newestRecord":[0-9]*,//'`;
    board.before(
      `case $SSH_ORIGINAL_COMMAND in *status*) sh '${join(rtkitRoot, "src/device/rtnodectl")}' status --json | ${old}; exit;; *\\ record\\ *) exit 2;; esac`,
    );
    expect(await rtkit("rollback")).toBe(0);
    expect(await board.current()).toBe(FIRST.id);
  });
});

describe("a board with signers", () => {
  beforeEach(() => trust(release));

  it("takes what one of them signed; anybody can verify the record that it keeps", async () => {
    expect(await deploy(FIRST, [release])).toMatchObject({ status: 0 });
    const kept = join(board.root, "opt/rtnode/current/record");
    const signers = join(board.root, "etc/rtnode/allowed_signers");
    const words = ["-Y", "verify", "-f", signers, "-I", "release", "-n", "rtkit-release", "-s", `${kept}.sig`];
    const { status, stdout } = await execEnd("ssh-keygen", words, { input: readFileSync(kept, "utf8") });
    expect({ status, stdout }).toMatchObject({ status: 0, stdout: expect.stringContaining("Good") });
  });

  it("is sent nothing by somebody without a key", async () => {
    rmSync(join(dir, "release"));
    const failed = await deploy(FIRST, [release]);
    expect(failureOf(failed)).toMatchObject({
      ok: false,
      code: "RTK_DEPLOY_UNSIGNED",
      sentBytes: 0,
      rolledBack: false,
    });
    expect(board.commands()).toEqual([expect.stringMatching(/^deploy [0-9a-f]{64} --confirm-within \d+$/)]);
    expect(failed.text).toContain("or say --sign KEY");
  });

  it("refuses what another's key signed, also when that is named with --sign", async () => {
    const other = await makeKey("other");
    const refused = await deploy(FIRST, [release], other.file ?? "");
    expect(failureOf(refused)).toMatchObject({
      code: "RTK_DEPLOY_REFUSED",
      reason: expect.stringContaining("not signed by any of this board's signers"),
    });
  });

  it("rolls back, and forth within the same second, with new records that are signed", async () => {
    hasTwo();
    expect(await rtkit("rollback", "--sign", join(dir, "release"))).toBe(0);
    expect(await board.current()).toBe(FIRST.id);
    const first = keptRecord();
    expect(first).toMatchObject({ release: FIRST.id, description: "v1.1" });
    expect(await rtkit("rollback", SECOND.id, "--sign", join(dir, "release"))).toBe(0);
    expect(await board.current()).toBe(SECOND.id);
    expect(keptRecord().time).toBeGreaterThan(first.time);
  });

  it("signs no release by the beginning of its id: which one begins so is the board's word", async () => {
    hasTwo();
    const words = ["rollback", FIRST.id.slice(0, 12), "--sign", join(dir, "release")];
    expect(await rtkit(...words, "--json")).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({
      targets: [{ code: "RTK_DEPLOY_RELEASE", hint: expect.stringContaining("by all 64 digits") }],
    });
    expect(await board.current()).toBe(SECOND.id);
  });

  it("rolls back with the key of the project that is here, and not without one", async () => {
    hasTwo();
    const there = scratchDir("rtkit-project-");
    vi.spyOn(process, "cwd").mockReturnValue(there);
    expect(await rtkit("rollback", "--json")).toBe(1);
    expect(JSON.parse(printed)).toMatchObject({ targets: [{ ok: false, code: "RTK_DEPLOY_UNSIGNED" }] });
    expect(await board.current()).toBe(SECOND.id);

    mkdirSync(join(there, "nodes"));
    writeFileSync(join(there, "nodes/imu.py"), "");
    const image = `image: { signers: ["${release.file ?? ""}"] }`;
    writeFileSync(
      join(there, "rtkit.yaml"),
      `name: arm\nboard: rpi4\n${image}\nnodes: { imu: { entry: nodes/imu.py } }\n`,
    );
    expect(await rtkit("rollback")).toBe(0);
    expect(await board.current()).toBe(FIRST.id);
  });

  it("goes back without a key from a release that nobody confirmed", async () => {
    hasTwo();
    writeFileSync(join(board.root, "opt/rtnode/pending"), `${SECOND.id} ${FIRST.id} eva\n`);
    expect(await rtkit("rollback")).toBe(0);
    expect(await board.current()).toBe(FIRST.id);
  });

  it("is sent nothing by a computer whose clock is behind, which is told both times", async () => {
    hasTwo();
    writeFileSync(join(board.root, "opt/rtnode/newest-record"), "4000000000\n");
    expect(failureOf(await deploy(THIRD, [release]))).toMatchObject({
      code: "RTK_DEPLOY_CLOCK",
      sentBytes: 0,
      reason: expect.stringMatching(/^it is \d{4}-.* UTC here, and .* signed at 2096-10-02 07:06:40 UTC: /),
      hint: expect.stringContaining("docs/deploy.md"),
    });
    expect(board.commands()).toEqual([expect.stringMatching(/^deploy [0-9a-f]{64} --confirm-within \d+$/)]);
    expect(await rtkit("rollback", FIRST.id, "--sign", join(dir, "release"))).toBe(1);
  });
});
