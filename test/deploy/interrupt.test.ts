import { spawn, type ChildProcess } from "node:child_process";
import { once } from "node:events";
import { existsSync, readdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { setTimeout as sleep } from "node:timers/promises";
import { beforeEach, expect, it } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import { releaseOf } from "./releases.ts";
import { fakeBoard, makeOperator, type FakeBoard, type Operator } from "./sshd.ts";

let operator: Operator;
let board: FakeBoard;
let temporary: string;
let reached: string;
beforeEach(async () => {
  operator = await makeOperator();
  board = await fakeBoard(operator);
  temporary = scratchDir("rtkit-tmp-");
  reached = join(board.root, "reached");
});

interface Run {
  readonly child: ChildProcess;
  readonly ended: Promise<{ readonly status: number | null; readonly said: string }>;
}

/** Starts a deploy in a process group of its own, as a shell does. */
function deploy(version: string): Run {
  const program = join(rtkitRoot, "test/deploy/deploy-program.ts");
  const words = [program, `${board.address.port}`, operator.settings.config ?? "", version];
  const child = spawn(process.execPath, words, { detached: true, env: { ...process.env, TMPDIR: temporary } });
  let said = "";
  for (const stream of [child.stdout, child.stderr]) stream.on("data", (text: Buffer) => (said += text.toString()));
  const ended = once(child, "close").then(([status]) => ({ status: status as number | null, said }));
  return { child, ended };
}

async function until(path: string, { child }: Run): Promise<void> {
  while (!existsSync(path) && child.exitCode === null) await sleep(20);
}

/** Ctrl-C of a terminal goes to the whole group, ssh too. */
function pressCtrlC({ child }: Run): void {
  process.kill(-(child.pid ?? 0), "SIGINT");
}

async function nothingIsLeft(): Promise<void> {
  expect(readdirSync(temporary)).toEqual([]);
  expect((await exec("ps", ["-eo", "args"])).stdout).not.toContain(temporary);
}

/** From the first status on a command stops: the release is active then. */
const AFTER_ACTIVATION = (file: string, then: string): string =>
  `case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) : >'${file}.active';; *status*) if [ -f '${file}.active' ]; then : >'${file}'; ${then}; fi;; esac`;

it("between activation and confirmation tells the board to go back at once, and says so", async () => {
  expect((await deploy("1").ended).status).toBe(0);
  const first = await board.current();
  board.before(AFTER_ACTIVATION(reached, "sleep 60"));
  const run = deploy("2");
  await until(reached, run);
  expect(await board.current()).not.toBe(first);
  pressCtrlC(run);
  const { status, said } = await run.ended;
  expect(status).toBe(130);
  expect(said).toContain(`interrupted: 127.0.0.1:${board.address.port} went back to its previous release`);
  expect(await board.current()).toBe(first);
  expect(existsSync(join(board.root, "opt/rtnode/pending"))).toBe(false);
  await nothingIsLeft();
});

it("while the board activates waits for that, and takes it back", async () => {
  expect((await deploy("1").ended).status).toBe(0);
  const first = await board.current();
  // The last that is done before the release is current.
  writeFileSync(join(board.root, "bin/systemd-run"), `#!/bin/sh\n: >'${reached}'; sleep 1\n`);
  const run = deploy("2");
  await until(reached, run);
  pressCtrlC(run);
  const { status, said } = await run.ended;
  expect({ status, said }).toMatchObject({ status: 130, said: expect.stringContaining("went back") });
  expect(board.commands().slice(-2)).toEqual([
    expect.stringMatching(/^deploy /),
    `revert ${releaseOf({ name: "imu", version: "2" }).id}`,
  ]);
  expect(await board.current()).toBe(first);
  await nothingIsLeft();
});

it("while the board activates and the link breaks, it was interrupted all the same", async () => {
  expect((await deploy("1").ended).status).toBe(0);
  const session = join(board.root, "session");
  board.before(`case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) echo "$PPID" >'${session}';; esac`);
  const breaks = `read -r pid <'${session}'; sleep 1; kill -9 "$pid"`;
  writeFileSync(join(board.root, "bin/systemd-run"), `#!/bin/sh\n: >'${reached}'; ${breaks}\n`);
  const run = deploy("2");
  await until(reached, run);
  pressCtrlC(run);
  const { status, said } = await run.ended;
  expect({ status, said }).toMatchObject({ status: 130, said: expect.stringContaining("interrupted: ") });
  await nothingIsLeft();
});

it("a second time leaves at once, and the board's own timer is what is left", async () => {
  expect((await deploy("1").ended).status).toBe(0);
  board.before(
    `${AFTER_ACTIVATION(reached, "sleep 60")}\ncase $SSH_ORIGINAL_COMMAND in *revert*) : >'${reached}.2'; sleep 60;; esac`,
  );
  const run = deploy("2");
  await until(reached, run);
  pressCtrlC(run);
  await until(`${reached}.2`, run);
  pressCtrlC(run);
  const { status, said } = await run.ended;
  expect({ status, said }).toMatchObject({ status: 130, said: expect.stringContaining("does so by itself") });
  expect(existsSync(join(board.root, "opt/rtnode/pending"))).toBe(true);
  await nothingIsLeft();
});

it("before activation leaves the board as it was, and nothing of what was sent", async () => {
  expect((await deploy("1").ended).status).toBe(0);
  const first = await board.current();
  const state = join(board.root, "opt/rtnode/releases/.new");
  // What arrives is held back, so that the program waits in the middle.
  board.before(`case $SSH_ORIGINAL_COMMAND in *\\ deploy\\ *) { head -c 40; : >'${reached}'; cat >/dev/null; } |
sh '${join(rtkitRoot, "src/device/rtnodectl")}' \${SSH_ORIGINAL_COMMAND#* * * }; exit;; esac`);
  const run = deploy("2");
  await until(reached, run);
  pressCtrlC(run);
  expect((await run.ended).status).toBe(130);
  expect(await board.current()).toBe(first);
  for (let looks = 0; existsSync(state) && looks < 500; looks += 1) await sleep(20);
  expect(readdirSync(join(board.root, "opt/rtnode/releases"))).toEqual([first]);
  await nothingIsLeft();
});
