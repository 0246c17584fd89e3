import * as fc from "fast-check";
import { mkdir, mkdtemp, readdir, readFile, rm, stat, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { initProject, projectName } from "../../src/cli/init.ts";
import { loadProject } from "../../src/config/load.ts";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";

async function scratchFolder(): Promise<string> {
  const folder = await mkdtemp(join(tmpdir(), "rtkit-init-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

it("writes a project that loads, named after its folder", async () => {
  const parent = await scratchFolder();
  const dir = join(parent, "new", "Left Arm");
  const files = await initProject(dir);
  expect(files).toEqual([".gitignore", "README.md", "nodes/controller.py", "nodes/logger.ts", "rtkit.yaml"]);
  const { project, warnings } = await loadProject({ cwd: dir });
  expect(project.name).toBe("left-arm");
  expect(project.nodes.map(({ name, schedule }) => [name, schedule.policy])).toEqual([
    ["controller", "fifo"],
    ["logger", "other"],
  ]);
  expect(warnings.map(({ code }) => code)).toEqual(["RTK_CONFIG_NO_KEYS"]);
  expect(await readFile(join(dir, "README.md"), "utf8")).toMatch(/^# left-arm\n/);
  expect(await readdir(join(parent, "new"))).toEqual(["Left Arm"]);
  expect((await stat(dir)).mode & 0o500).toBe(0o500);
});

it("fills an empty folder and leaves it where it is", async () => {
  const dir = await scratchFolder();
  const before = await stat(dir);
  await initProject(dir);
  expect((await stat(dir)).ino).toBe(before.ino);
  expect((await readdir(dir)).toSorted()).toEqual([".gitignore", "README.md", "nodes", "rtkit.yaml"]);
});

it("refuses a folder that holds something, and changes nothing", async () => {
  const dir = await scratchFolder();
  await writeFile(join(dir, "mine"), "");
  await expect(initProject(dir)).rejects.toMatchObject({ code: "RTK_INIT_NOT_EMPTY", exitStatus: 2 });
  expect(await readdir(dir)).toEqual(["mine"]);
});

it("refuses a file, and says when a folder cannot be made", async () => {
  const dir = await scratchFolder();
  await writeFile(join(dir, "file"), "");
  await expect(initProject(join(dir, "file"))).rejects.toMatchObject({ code: "RTK_INIT_NOT_EMPTY" });
  await expect(initProject(join(dir, "file", "below"))).rejects.toMatchObject({
    code: "RTK_INIT_WRITE",
    exitStatus: 1,
  });
});

it("every folder's name gives a host label", () => {
  expect(projectName("My Robot_2")).toBe("my-robot-2");
  expect(projectName("Örn")).toBe("o-rn");
  fc.assert(
    fc.property(fc.string({ unit: "grapheme" }), (name) => {
      expect(projectName(name)).toMatch(/^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?$/);
    }),
  );
});

it("the template's controller runs by hand", async () => {
  const dir = join(await scratchFolder(), "robot");
  await initProject(dir);
  const runtimeDir = join(dir, "run");
  await mkdir(runtimeDir);
  // SIGINT after a second: `timeout` is of coreutils; with --preserve-status it ends as the node did.
  const { stdout } = await exec("timeout", ["--preserve-status", "-s", "INT", "1", "python3", "nodes/controller.py"], {
    cwd: dir,
    env: {
      PYTHONPATH: join(rtkitRoot, "src", "sdk", "python"),
      PYTHONDONTWRITEBYTECODE: "1",
      RTNODE_RUNTIME_DIR: runtimeDir,
    },
  });
  expect(stdout).toMatch(/^controller: [1-9]\d* cycles, \d+ overruns, joint at -?\d+\.\d+ rad\n$/);
});
