import { mkdirSync, writeFileSync } from "node:fs";
import { hostname, userInfo } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, expect, it, vi } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { sourceFacts, whoDeploys } from "../../src/deploy/deploy-facts.ts";
import { scratchDir } from "../scratch.ts";

const { signal } = new AbortController();
let repository: string;
let project: string;

async function git(...words: string[]): Promise<string> {
  const who = ["-c", "user.name=ada", "-c", "user.email=ada@bench.invalid", "-c", "commit.gpgsign=false"];
  return (await exec("git", [...who, ...words], { cwd: repository })).stdout.trim();
}

beforeEach(async () => {
  repository = scratchDir("rtkit-git-");
  // What the one who runs the tests has set up for git.
  vi.stubEnv("GIT_CONFIG_GLOBAL", "/dev/null");
  vi.stubEnv("GIT_CEILING_DIRECTORIES", join(repository, ".."));
  project = join(repository, "robot");
  mkdirSync(project);
  writeFileSync(join(project, "rtkit.yaml"), "name: arm\n");
});
afterEach(() => vi.unstubAllEnvs());

async function commit(): Promise<void> {
  await git("init", "--quiet");
  await git("add", ".");
  await git("commit", "--quiet", "--message", "first");
}

it("are the commit, its name and whether the project's folder is as it was committed", async () => {
  await commit();
  const hash = await git("rev-parse", "HEAD");
  expect(await sourceFacts(project, signal)).toEqual({ git: hash, description: hash.slice(0, 7), dirty: false });
  await git("tag", "v1.0");
  expect(await sourceFacts(project, signal)).toEqual({ git: hash, description: "v1.0", dirty: false });
  writeFileSync(join(project, "rtkit.yaml"), "name: leg\n");
  expect(await sourceFacts(project, signal)).toEqual({ git: hash, description: "v1.0-dirty", dirty: true });
});

it("take a new file of the project for a change, and none of its neighbours", async () => {
  await commit();
  writeFileSync(join(repository, "notes.txt"), "");
  expect(await sourceFacts(project, signal)).toMatchObject({ dirty: false });
  writeFileSync(join(project, "imu.py"), "");
  expect(await sourceFacts(project, signal)).toMatchObject({ dirty: true });
});

it("are those of the folder, also in a hook of git", async () => {
  await commit();
  vi.stubEnv("GIT_DIR", ".git");
  vi.stubEnv("GIT_INDEX_FILE", ".git/index");
  expect(await sourceFacts(project, signal)).toMatchObject({ dirty: false });
});

it("are none before the first commit, outside a work tree, and without git", async () => {
  expect(await sourceFacts(project, signal)).toEqual({});
  await git("init", "--quiet");
  expect(await sourceFacts(project, signal)).toEqual({});
  await commit();
  vi.stubEnv("PATH", scratchDir("rtkit-no-git-"));
  expect(await sourceFacts(project, signal)).toEqual({});
});

it("name user and machine", () => {
  expect(whoDeploys()).toEqual({ user: userInfo().username, host: hostname() });
});
