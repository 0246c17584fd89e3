import * as fc from "fast-check";
import { mkdtemp, readdir, readFile, readlink, rm, stat, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it, onTestFinished } from "vitest";
import { initProject, projectName } from "../../src/cli/init.ts";
import { loadProject } from "../../src/config/load.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms } from "../device/support.ts";
import { bundle, startPython, startTypeScript } from "../sdk/support.ts";

async function scratchFolder(parent: string = tmpdir()): Promise<string> {
  const folder = await mkdtemp(join(parent, "rtkit-init-"));
  onTestFinished(() => rm(folder, { recursive: true, force: true }));
  return folder;
}

it("writes a project that loads, named after its folder", async () => {
  const parent = await scratchFolder();
  const dir = join(parent, "new", "Left Arm");
  const files = await initProject(dir);
  expect(files).toEqual([
    ".gitignore",
    "README.md",
    "nodes/controller.py",
    "nodes/logger.ts",
    "nodes/messages/__init__.py",
    "nodes/messages/records.json",
    "rtkit.yaml",
  ]);
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
  expect((await readdir(dir)).toSorted()).toEqual([".gitignore", "README.md", "node_modules", "nodes", "rtkit.yaml"]);
  // The SDK under its name, for editors and for `node nodes/logger.ts`.
  expect(await readlink(join(dir, "node_modules", "rtnode"))).toBe(join(rtkitRoot, "src", "sdk", "typescript"));
});

it("fills an empty folder that is on another file system than its parent", async () => {
  const elsewhere = await scratchFolder("/dev/shm");
  const link = join(await scratchFolder(), "robot");
  await symlink(elsewhere, link);
  await initProject(link);
  expect((await readdir(elsewhere)).toSorted()).toEqual([
    ".gitignore",
    "README.md",
    "node_modules",
    "nodes",
    "rtkit.yaml",
  ]);
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

it("the template's nodes run by hand, and the one prints what the other does", async () => {
  const dir = join(await scratchFolder(), "robot");
  await initProject(dir);
  await buildDevicePrograms();
  const env = { RTNODE_RUNTIME_DIR: await scratchFolder() };
  const controller = startPython(join(dir, "nodes", "controller.py"), env);
  const logger = startTypeScript(await bundle(join(dir, "nodes", "logger.ts")), env);
  await logger.said(/: target -?0\.[1-9]\d+ rad, position -?0\.[1-9]\d+ rad$/m);
  controller.kill("SIGINT");
  logger.kill("SIGINT");
  expect(await controller.ended).toMatchObject({
    exitCode: 0,
    stderr: expect.stringMatching(/^controller: [1-9]\d* cycles, \d+ overruns; wake-up /m),
  });
  expect((await logger.ended).exitCode).toBe(0);
});
