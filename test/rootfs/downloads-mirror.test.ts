import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import type { RtkitError } from "../../src/core/errors.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { openIndex } from "../../src/rootfs/apt.ts";
import { download, isGone, type Sources } from "../../src/rootfs/downloads.ts";
import type { LockedPackage } from "../../src/rootfs/lock.ts";
import { parseMirror, snapshotMirror } from "../../src/rootfs/mirror.ts";
import { scratchDir } from "../scratch.ts";
import { startMirror, withChangedByte, type MirrorServer } from "./mirror-server.ts";

let server: MirrorServer;
let cacheDir: string;
/** A few small packages of the archive, one with an epoch and a plus sign in its version. */
let packages: readonly LockedPackage[];

beforeAll(async () => {
  server = await startMirror({ forFile: true });
  const { signal } = new AbortController();
  const options = {
    suite: "trixie",
    architecture: "amd64",
    cacheDir: scratchDir("rtkit-index-"),
    onLine: () => undefined,
  } as const;
  const index = await openIndex({ ...options, mirror: server.mirror, signal });
  const found = await index.resolve(["netbase", "zlib1g"]);
  packages = found.filter(({ name }) => ["gcc-14-base", "netbase", "zlib1g"].includes(name));
  await index.close();
});
afterAll(() => server.close());
beforeEach(() => {
  server.reset();
  cacheDir = scratchDir("rtkit-downloads-");
});

const fetchAll = async (sources: Partial<Sources> = {}, signal = new AbortController().signal): Promise<string[]> => {
  const step = { signal, cacheDir, emit: () => undefined, progress: () => undefined };
  return download(step, packages, { mirror: server.mirror, fallback: undefined, ...sources });
};

const failure = async (work: Promise<unknown>): Promise<RtkitError> => {
  const error = await work.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown as RtkitError,
  );
  expect(`${error.message}${"hint" in error ? error.hint : ""}`).not.toMatch(/127\.0\.0\.1|localhost/);
  return error as RtkitError;
};

/** The files of a package and of nothing else. */
const fileOf = (name: string): RegExp => new RegExp(`/${name}_[^/]*\\.deb$`);

const named = (name: string): LockedPackage => {
  const found = packages.find((each) => each.name === name);
  if (found === undefined) throw new Error(`there is no ${name}`);
  return found;
};

const snapshots = (): Sources["fallback"] =>
  snapshotMirror("20261101T000000Z", { RTKIT_DEBIAN_SNAPSHOT: server.snapshots });

describe("a package file", () => {
  it("is fetched once, and kept under its digest", async () => {
    const files = await fetchAll();
    expect(server.asked.map(({ path }) => path).toSorted()).toEqual(
      packages
        .map(({ archive, path }) => `/${archive === "archive" ? "debian" : "debian-security"}/${path}`)
        .toSorted(),
    );
    for (const [index, file] of files.entries()) expect(sha256(await readFile(file))).toBe(packages[index]?.sha256);
    server.reset();
    expect(await fetchAll()).toEqual(files);
    expect(server.asked).toEqual([]);
    expect((await readdir(join(cacheDir, "downloads"))).toSorted()).toEqual(
      packages.map(({ sha256: digest }) => digest).toSorted(),
    );
  });

  it("is fetched once by two that need it at the same time", async () => {
    await Promise.all([fetchAll(), fetchAll()]);
    expect(server.asked).toHaveLength(packages.length);
  });

  it("that was damaged in the cache is fetched again, and no other", async () => {
    const [first = ""] = await fetchAll();
    await writeFile(first, withChangedByte(await readFile(first)));
    server.reset();
    await fetchAll();
    expect(server.asked).toHaveLength(1);
    expect(sha256(await readFile(first))).toBe(packages[0]?.sha256);
  });

  it("comes through the proxy of the host's apt", async () => {
    const conf = join(scratchDir("rtkit-proxy-"), "apt.conf");
    await writeFile(conf, `Acquire::http::Proxy "http://${server.host}";\n`);
    process.env["APT_CONFIG"] = conf;
    try {
      await fetchAll({ mirror: parseMirror("http://deb.example/debian", "--mirror") });
    } finally {
      delete process.env["APT_CONFIG"];
    }
    expect(server.asked.map(({ proxied }) => proxied)).toEqual(packages.map(() => true));
  });
});

describe("a package file that is not the locked one is refused", () => {
  it.each([
    ["one byte is another", withChangedByte],
    ["its end is missing", (bytes: Buffer) => bytes.subarray(0, -100)],
    ["there is something behind its end", (bytes: Buffer) => Buffer.concat([bytes, Buffer.from("more")])],
    ["it is a login page", () => Buffer.from("<!doctype html><title>Guest network</title>")],
  ])("when %s", async (_, how) => {
    server.tamper(fileOf("netbase"), how);
    const error = await failure(fetchAll({ fallback: snapshots() }));
    expect(error).toMatchObject({ code: "RTK_MIRROR_UNTRUSTED", exitStatus: 1 });
    expect(await readdir(join(cacheDir, "downloads"))).not.toContain(named("netbase").sha256);
    // Nobody else is asked: somebody changes what the mirror sends, and that must be known.
    expect(server.asked.filter(({ snapshot }) => snapshot !== undefined)).toEqual([]);
    server.reset();
    await fetchAll();
    expect(server.asked).toHaveLength(1);
  });
});

describe("a package file that the mirror no longer has", () => {
  it("is taken from the snapshot archive, and only that one", async () => {
    server.tamper(/^\/debian\/.*netbase_/, 404);
    await fetchAll({ fallback: snapshots() });
    const elsewhere = server.asked.filter(({ snapshot }) => snapshot !== undefined);
    expect(elsewhere).toEqual([
      { path: `/debian/${named("netbase").path}`, snapshot: "20261101T000000Z", proxied: false, status: 200 },
    ]);
  });

  it("nor the snapshot archive, is named", async () => {
    server.tamper(fileOf("netbase"), 404);
    const error = await failure(fetchAll({ fallback: snapshots() }));
    expect(error).toMatchObject({ code: "RTK_PACKAGE_GONE", exitStatus: 1 });
    expect(error.message).toContain(`netbase ${named("netbase").version}`);
    expect(error.message).not.toContain("zlib1g");
    expect(error.hint).toContain("rtkit update");
  });

  it("is named too when the snapshot archive cannot be reached", async () => {
    const unreachable = await startMirror();
    unreachable.close();
    server.tamper(fileOf("netbase"), 404);
    const env = { RTKIT_DEBIAN_SNAPSHOT: unreachable.snapshots };
    const error = await failure(fetchAll({ fallback: snapshotMirror("20261101T000000Z", env) }));
    expect(error.code).toBe("RTK_PACKAGE_GONE");
    expect(error.message).toMatch(/netbase.*snapshot archive.*Connection refused/s);
  });

  it("is refused when the snapshot archive has another one", async () => {
    server.tamper(/^\/debian\/.*netbase_/, 404);
    server.tamper(/^\/archive\//, withChangedByte);
    expect(await failure(fetchAll({ fallback: snapshots() }))).toMatchObject({ code: "RTK_MIRROR_UNTRUSTED" });
  });
});

describe("a mirror that does not answer", () => {
  it("is told as such, and the snapshot archive is not asked for all the world's packages", async () => {
    const unreachable = await startMirror();
    unreachable.close();
    const error = await failure(fetchAll({ mirror: unreachable.mirror, fallback: snapshots() }));
    expect(error).toMatchObject({ code: "RTK_MIRROR_UNREACHABLE", exitStatus: 1 });
    expect(server.asked).toEqual([]);
  });

  it("does not keep a build that is given up, which leaves nothing half done", async () => {
    server.tamper(/\.deb$/, "stall");
    const abort = new AbortController();
    const fetching = fetchAll({}, abort.signal);
    await expect.poll(() => server.asked.length, { timeout: 10_000 }).toBeGreaterThan(0);
    abort.abort(new Error("interrupted"));
    await expect(fetching).rejects.toThrow("interrupted");
    expect(await readdir(join(cacheDir, "downloads"))).toEqual([]);
  });
});

it("files are gone only when the server says so of each that failed", () => {
  const gone = "E: Failed to fetch http://m.example/a.deb  404  Not Found [IP: 192.0.2.1 80]";
  expect(isGone(["Ign:1 http://m.example/b.deb", gone, "E: Download Failed"])).toBe(true);
  expect(isGone([gone, "E: Failed to fetch http://m.example/b.deb  Hash Sum mismatch", "E: Download Failed"])).toBe(
    false,
  );
  expect(isGone([gone, "E: Failed to fetch http://m.example/b.deb  503  Busy"])).toBe(false);
  expect(isGone(["E: Download Failed"])).toBe(false);
});
