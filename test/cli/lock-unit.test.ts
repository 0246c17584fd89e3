import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, test, vi } from "vitest";
import { describeMoves, lockedPackages } from "../../src/cli/build/lock.ts";
import type { Project } from "../../src/config/model.ts";
import type { PipelineEvent } from "../../src/pipeline/events.ts";
import { printLock, withBoard, type BoardLock } from "../../src/rootfs/lock.ts";
import { packageDemand } from "../../src/rootfs/package-list.ts";
import { projectOf } from "../bundle/robot.ts";
import { boardLock, lockedNodejs, lockedPackage } from "../rootfs/locks.ts";
import { pathWithNpm } from "../rootfs/npm-registry.ts";
import { scratchDir } from "../scratch.ts";

const mirror = "http://127.0.0.1:1/debian";
const events: PipelineEvent[] = [];
const context = {
  signal: new AbortController().signal,
  emit: (event: PipelineEvent) => void events.push(event),
  cacheDir: scratchDir("cache-"),
};

function set(wanted: readonly string[]): BoardLock["base"] {
  return { wanted, packages: wanted.map((name) => lockedPackage(name)) };
}

/** A section that is what a project asks for. */
function lockOf(project: Project): BoardLock {
  const { suite, architecture, snapshot, base, project: own, nodejs, tools } = packageDemand(project);
  const both = { amd64: set(tools), arm64: set(tools) };
  const locked = nodejs === null ? null : lockedNodejs(`${nodejs}.9.0`);
  return boardLock({ suite, architecture, snapshot, base: set(base), project: set(own), nodejs: locked, tools: both });
}

async function projectWith(
  lock: BoardLock | undefined,
  packages: readonly string[] = [],
  node: string | null = null,
): Promise<Project> {
  const plain = projectOf(scratchDir("project-"), []);
  const project = { ...plain, image: { ...plain.image, packages, node } };
  const section = lock ?? lockOf(project);
  await writeFile(join(project.dir, "rtkit.lock"), printLock(withBoard(undefined, project.board.name, section)));
  return project;
}

test.each(["use", "locked"] as const)(
  "a lock that is what the project asks for is taken, and nobody is asked (%s)",
  async (mode) => {
    const project = await projectWith(undefined, ["htop"]);
    const found = await lockedPackages(context, project, { mirror, mode });
    expect(found).toMatchObject({ lock: lockOf(project), moved: [], lockChange: "none" });
    expect(found.sources.mirror.archive).toBe(mirror);
    // What the mirror no longer has is in the snapshot that was taken after the lock's state.
    expect(found.sources.fallback?.archive).toMatch(/\/debian\/20261121T031508Z$/);
    expect(events).toEqual([]);
  },
);

test("a folder that no lock can be written to is said before the archive is asked", async () => {
  // Nobody can make anything in sysfs, not even root.
  const project = projectOf("/sys", []);
  await expect(lockedPackages(context, project, { mirror, mode: "use" })).rejects.toMatchObject({
    code: "RTK_FILE_ACCESS",
    message: expect.stringMatching(/^cannot use \/sys: /) as string,
  });
  expect(events).toEqual([]);
});

test("--locked refuses a project that asks for more, says what, and leaves the lock alone", async () => {
  const project = await projectWith(lockOf(projectOf("/p", [])), ["htop", "nano"]);
  const path = join(project.dir, "rtkit.lock");
  const before = await readFile(path, "utf8");
  await expect(lockedPackages(context, project, { mirror, mode: "locked" })).rejects.toMatchObject({
    code: "RTK_LOCK_DRIFT",
    exitStatus: 2,
    message:
      "rtkit.lock is not what the project asks for:\n  htop is asked for and not locked\n  nano is asked for and not locked",
    where: { file: expect.stringMatching(/rtkit\.lock$/) as string },
    hint: expect.stringContaining("--locked") as string,
  });
  expect(await readFile(path, "utf8")).toBe(before);
});

test("--locked refuses a project without a lock", async () => {
  const project = projectOf(scratchDir("project-"), []);
  await expect(lockedPackages(context, project, { mirror, mode: "locked" })).rejects.toMatchObject({
    code: "RTK_LOCK_DRIFT",
    message: "rtkit.lock is not what the project asks for:\n  the board is not in rtkit.lock",
  });
});

test("a project with a snapshot takes its packages from there, and there is nothing to fall back to", async () => {
  const plain = await projectWith(undefined);
  const project = { ...plain, image: { ...plain.image, snapshot: "20261101T000000Z" } };
  await writeFile(
    join(project.dir, "rtkit.lock"),
    printLock(withBoard(undefined, project.board.name, lockOf(project))),
  );
  const { sources } = await lockedPackages(context, project, { mirror, mode: "locked" });
  expect(sources.mirror).toMatchObject({ dated: true });
  expect(sources.mirror.archive).toMatch(/\/debian\/20261101T000000Z$/);
  expect(sources.fallback).toBeUndefined();
});

describe("image.node", () => {
  // Whoever asks npm fails.
  beforeEach(() => void vi.stubEnv("PATH", pathWithNpm("exit 1")));
  afterEach(() => void vi.unstubAllEnvs());

  test.each(["use", "locked"] as const)("what is locked is taken, and npm is not asked (%s)", async (mode) => {
    const project = await projectWith(undefined, [], "24");
    const found = await lockedPackages(context, project, { mirror, mode });
    expect(found).toMatchObject({ lockChange: "none", moved: [], lock: { nodejs: lockedNodejs("24.9.0") } });
  });

  test("--locked refuses another major, one that is not locked, and one that is no longer asked for", async () => {
    const old = lockedNodejs("22.3.0");
    for (const [node, locked, reason] of [
      ["24", old, "Node.js 24 is asked for, locked is 22.3.0"],
      ["24", null, "Node.js 24 is asked for and not locked"],
      [null, old, "Node.js 22.3.0 is locked and no longer asked for"],
    ] as const) {
      const asked = await projectWith(undefined, [], node);
      const project = await projectWith({ ...lockOf(asked), nodejs: locked }, [], node);
      await expect(lockedPackages(context, project, { mirror, mode: "locked" })).rejects.toMatchObject({
        code: "RTK_LOCK_DRIFT",
        message: `rtkit.lock is not what the project asks for:\n  ${reason}`,
      });
    }
  });

  test("and Debian's nodejs, which something in image.packages brings, cannot both be /usr/bin/node", async () => {
    const project = await projectWith(undefined, ["nodejs"], "24");
    await expect(lockedPackages(context, project, { mirror, mode: "use" })).rejects.toMatchObject({
      code: "RTK_NODEJS_TWICE",
      exitStatus: 2,
      where: { file: expect.stringMatching(/rtkit\.yaml$/) as string },
      hint: expect.stringContaining("remove image.node") as string,
    });
    await expect(
      lockedPackages(context, await projectWith(undefined, ["nodejs"]), { mirror, mode: "use" }),
    ).resolves.toMatchObject({ lockChange: "none" });
  });
});

test("moves are listed up to a number of lines", () => {
  const moved = ["a", "b", "c"].map((name) => ({ name, from: null, to: "1" }));
  expect(describeMoves(moved)).toEqual(["  a  new: 1", "  b  new: 1", "  c  new: 1"]);
  expect(describeMoves(moved, 2)).toEqual(["  a  new: 1", "  b  new: 1", "  and 1 more"]);
});
