import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it, vi } from "vitest";
import { buildRelease, releaseRows } from "../../../src/cli/build/build-release.ts";
import type { Project } from "../../../src/config/model.ts";
import { readRelease, type Release } from "../../../src/deploy/release.ts";
import { runStep } from "../../../src/pipeline/cache.ts";
import type { Step, StepOutput } from "../../../src/pipeline/step.ts";
import { printLock, withBoard, type BoardLock } from "../../../src/rootfs/lock.ts";
import { lockPath } from "../../../src/rootfs/lock-file.ts";
import { packageDemand } from "../../../src/rootfs/package-list.ts";
import { baseStep } from "../../../src/rootfs/packages.ts";
import { contentsStep } from "../../../src/rootfs/packages-content.ts";
import { sourceDateEpoch } from "../../../src/rootfs/source-date.ts";
import { openTools, requireHostArchitecture, toolsStep } from "../../../src/rootfs/tools-tree.ts";
import { nodeOf, projectOf, temporaryFolder, writeFiles, type Files } from "../../bundle/robot.ts";
import { watchedContext, type Watched } from "../../pipeline/fixtures.ts";
import { boardLock, lockedPackage } from "../../rootfs/locks.ts";

/** Where the lock's packages would come from: nothing is to be fetched. */
const SOURCES = {
  mirror: { archive: "http://mirror.invalid/debian", security: "http://mirror.invalid/security", origin: "a test" },
  fallback: undefined,
};

/** A loader that runs the host's Python in place of the one behind its own options. */
const HOST_PYTHON = '#!/bin/sh\nshift 6\nexec python3 "$@"\n';

let context: Watched;
let dir: string;
/** The output of the step `tools`. */
let toolsOutput: StepOutput;
beforeEach(async () => {
  vi.stubEnv("RTKIT_DEBIAN_MIRROR", SOURCES.mirror.archive);
  dir = await temporaryFolder();
  context = watchedContext(join(await temporaryFolder(), "cache"));
});

afterEach(() => vi.unstubAllEnvs());

/** Puts an output into the cache where a step's own would be. */
async function seed(step: Step, files: Files): Promise<StepOutput> {
  return runStep(watchedContext(context.cacheDir), {
    ...step,
    run: async (outDir) => {
      await writeFiles(outDir, files);
      for (const [path, content] of Object.entries(files)) {
        if (content === HOST_PYTHON) await chmod(join(outDir, path), 0o755);
      }
    },
  });
}

/** A project with these files and nodes, its lock beside it, and in the cache tools that are the host's. */
async function robot(files: Files, entries: Readonly<Record<string, string>>): Promise<Project> {
  await writeFiles(dir, files);
  const nodes = Object.entries(entries).map(([name, entry]) => nodeOf(dir, entry, { name }));
  const project = projectOf(dir, nodes);
  await writeFile(lockPath(dir), printLock(withBoard(undefined, "bench", lockOf(project))));
  const triplet = { amd64: "x86_64-linux-gnu", arm64: "aarch64-linux-gnu" }[requireHostArchitecture()];
  const loader = { amd64: "ld-linux-x86-64.so.2", arm64: "ld-linux-aarch64.so.1" }[requireHostArchitecture()];
  toolsOutput = await seed(makeTools(project), {
    [`tree/usr/lib/${triplet}/${loader}`]: HOST_PYTHON,
    "tree/usr/bin/python3": "",
  });
  return project;
}

/** What the project asks for, with one package for all of it. */
function lockOf(project: Project): BoardLock {
  const demand = packageDemand(project);
  const packages = [lockedPackage("libc6")];
  const tools = { wanted: demand.tools, packages };
  return boardLock({
    base: { wanted: demand.base, packages },
    project: { wanted: demand.project, packages: [] },
    tools: { amd64: tools, arm64: tools },
  });
}

const makeTools = (project: Project): Step =>
  toolsStep(lockOf(project).tools[requireHostArchitecture()].packages, SOURCES);

async function build(project: Project): Promise<Release> {
  const { path, id } = await buildRelease(context, project);
  const release = await readRelease(path);
  expect(release.id).toBe(id);
  return release;
}

const stepsRun = (): string[] =>
  context.events.flatMap((event) => (event.type === "step" && event.status === "done" ? [event.name] : []));

/** Puts into the cache what an image of the project would have left there: the names of its Python modules. */
async function seedImage(project: Project, modules: readonly string[]): Promise<void> {
  const lock = lockOf(project);
  const options = { lock, sources: SOURCES, sysusers: "", emulate: false };
  const packages = await seed(await baseStep(options, makeTools(project)), { "packages.tar": "" });
  const step = contentsStep(project.board, packages, openTools(toolsOutput, sourceDateEpoch(lock)));
  await seed(step, { "python-modules.json": JSON.stringify({ version: "python3.13", modules }) });
}

it("makes a release of the nodes' bundles and options, and nothing of the image", async () => {
  const project = await robot(
    { "imu.py": "print('imu')\n", "planner.ts": "console.log('planner');\n" },
    { imu: "imu.py", planner: "planner.ts" },
  );
  const { sums, nodes } = await build(project);
  const names = [...sums.toString().matchAll(/^[0-9a-f]{64} {2}(.+)$/gm)].map(([, name]) => name);
  expect(names).toEqual([
    "manifest.json",
    "nodes/imu.conf",
    "nodes/imu.pyz",
    "nodes/planner.conf",
    "nodes/planner.mjs",
  ]);
  expect(nodes.map(({ name }) => name)).toEqual(["imu", "planner"]);
  expect(stepsRun().toSorted()).toEqual(["bundle-imu", "bundle-planner", "release"]);
  const planned = releaseRows(project).map(({ name }) => name);
  expect(planned).toEqual(["lock", "tools", "bundle-imu", "bundle-planner", "release"]);
});

it("makes the same again from the cache, and of a changed node another release with the others as they were", async () => {
  const project = await robot({ "imu.py": "print(1)\n", "arm.ts": "export {};\n" }, { imu: "imu.py", arm: "arm.ts" });
  const first = await build(project);
  context.events.length = 0;
  expect((await build(project)).id).toBe(first.id);
  expect(stepsRun()).toEqual([]);
  await writeFile(join(dir, "imu.py"), "print(2)\n");
  const second = await build(project);
  expect(stepsRun()).toEqual(["bundle-imu", "release"]);
  const changed = [...second.blobs.keys()].filter((digest) => !first.blobs.has(digest));
  // The manifest and the bundle.
  expect(changed).toHaveLength(2);
});

describe("a node that imports what only an image can have", () => {
  const imports = { "imu.py": "import numpy\n" };

  it("is taken as it is where no image was built", async () => {
    expect((await build(await robot(imports, { imu: "imu.py" }))).nodes).toHaveLength(1);
  });

  it("is taken where the image that was built has the module", async () => {
    const project = await robot(imports, { imu: "imu.py" });
    await seedImage(project, ["numpy", "sys"]);
    expect((await build(project)).nodes).toHaveLength(1);
  });

  it("is taken where an overlay of the project has the module", async () => {
    const module = "overlays/site/rootfs/usr/lib/python3/dist-packages/numpy.py";
    const made = await robot(
      { ...imports, "overlays/site/overlay.yaml": "description: x\n", [module]: "" },
      { imu: "imu.py" },
    );
    const project = { ...made, image: { ...made.image, overlays: [join(dir, "overlays/site")] } };
    await seedImage(project, ["sys"]);
    expect((await build(project)).nodes).toHaveLength(1);
  });

  it("is refused, with the place, where the image that was built has not", async () => {
    const project = await robot(imports, { imu: "imu.py" });
    await seedImage(project, ["sys"]);
    await expect(build(project)).rejects.toMatchObject({
      code: "RTK_BUNDLE_MODULE",
      where: { file: expect.stringContaining("imu.py"), line: 1 },
    });
  });
});

it("tells a mistake in a node before anything is made", async () => {
  const project = await robot({ "arm.ts": "import './none.ts';\n" }, { arm: "arm.ts" });
  await expect(build(project)).rejects.toMatchObject({ code: expect.stringMatching(/^RTK_BUNDLE_/) });
  expect(stepsRun()).toEqual([]);
});
