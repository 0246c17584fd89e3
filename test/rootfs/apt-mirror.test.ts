import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterAll, beforeAll, beforeEach, describe, expect, it } from "vitest";
import { execa } from "execa";
import type { RtkitError } from "../../src/core/errors.ts";
import { openIndex, parseUriLine, type AptIndex } from "../../src/rootfs/apt.ts";
import { explainApt } from "../../src/rootfs/apt-errors.ts";
import { networkSettings } from "../../src/rootfs/apt-network.ts";
import { parseMirror, snapshotMirror, type DebianMirror } from "../../src/rootfs/mirror.ts";
import { scratchDir } from "../scratch.ts";
import { startMirror, withChangedByte, type MirrorServer } from "./mirror-server.ts";

let server: MirrorServer;
let cacheDir: string;
/** What apt said, which ends up in progress lines. */
let said: string[] = [];

beforeAll(async () => {
  server = await startMirror({ forFile: true });
});
afterAll(() => server.close());
beforeEach(() => {
  server.reset();
  cacheDir = scratchDir("rtkit-apt-");
  said = [];
});

const open = async (
  options: { readonly mirror?: DebianMirror; readonly signal?: AbortSignal } = {},
): Promise<AptIndex> =>
  openIndex({
    suite: "trixie",
    architecture: "amd64",
    mirror: options.mirror ?? server.mirror,
    cacheDir,
    onLine: (line) => said.push(line),
    signal: options.signal ?? new AbortController().signal,
  });

const opened = async (options?: { readonly mirror: DebianMirror }): Promise<AptIndex["releases"]> => {
  const index = await open(options);
  await index.close();
  return index.releases;
};

const failure = async (work: Promise<unknown>): Promise<RtkitError> => {
  const error = await work.then(
    () => new Error("it did not fail"),
    (thrown: unknown) => thrown as RtkitError,
  );
  expect(`${error.message}${"hint" in error ? error.hint : ""}`).not.toMatch(/127\.0\.0\.1|localhost/);
  return error as RtkitError;
};

/** The text of a clear-signed file, without its signature. */
const unsigned = (bytes: Buffer): Buffer => {
  const text = /Hash: \w+\n\n([^]*?)\n-----BEGIN PGP SIGNATURE/.exec(bytes.toString())?.[1];
  if (text === undefined) throw new Error("this is not signed");
  return Buffer.from(`${text}\n`);
};

describe("what is not signed by Debian is refused", () => {
  const untrusted = { code: "RTK_MIRROR_UNTRUSTED", exitStatus: 1 };

  it("a Release file with one changed byte", async () => {
    server.tamper(/\/trixie\/InRelease$/, withChangedByte);
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("one whose hash of a list is another", async () => {
    server.tamper(/\/trixie\/InRelease$/, (bytes) => {
      const text = bytes.toString();
      const line = /^ ([0-9a-f]{64}) +\d+ main\/binary-amd64\/Packages\.xz$/m.exec(text)?.[1] ?? "";
      expect(line).not.toBe("");
      return Buffer.from(text.replace(line, line.replaceAll(/[0-9]/g, "0")));
    });
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("one that is not signed at all", async () => {
    server.tamper(/\/trixie\/InRelease$/, unsigned);
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("one beside which there is no signature", async () => {
    server.tamper(/\/trixie\/(InRelease|Release\.gpg)$/, 404);
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("that of security alone", async () => {
    server.tamper(/trixie-security\/InRelease$/, withChangedByte);
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("also when an earlier one was right", async () => {
    await opened();
    server.tamper(/\/trixie\/InRelease$/, (bytes) =>
      withChangedByte(Buffer.from(bytes.toString().replace(/^Date: .*/m, "Date: Thu, 01 Jan 2037 00:00:00 UTC"))),
    );
    expect(await failure(opened())).toMatchObject(untrusted);
  });

  it("a list of packages that is not the signed one", async () => {
    server.tamper(/trixie-security\/main\/binary-amd64\//, withChangedByte);
    expect(await failure(opened())).toMatchObject(untrusted);
    expect(said.join("\n")).toContain("Hash Sum mismatch");
  });

  it("a login page", async () => {
    server.tamper(/InRelease$/, () => Buffer.from("<!doctype html><title>Guest network</title>"));
    expect(await failure(opened())).toMatchObject(untrusted);
  });
});

describe("a mirror that does not answer as it should", () => {
  const unreachable = { code: "RTK_MIRROR_UNREACHABLE", exitStatus: 1 };

  it("has no such suite", async () => {
    server.tamper(/\/dists\/trixie\//, 404);
    expect(await failure(opened())).toMatchObject(unreachable);
  });

  it("fails", async () => {
    server.tamper(/\/dists\/trixie\//, 500);
    expect(await failure(opened())).toMatchObject(unreachable);
  });

  it("is not there", async () => {
    const gone = await startMirror();
    gone.close();
    const error = await failure(opened({ mirror: gone.mirror }));
    expect(error).toMatchObject(unreachable);
    expect(error.message).toContain("Connection refused");
  });

  it("stalls, and the build is given up", async () => {
    server.tamper(/InRelease$/, "stall");
    const abort = new AbortController();
    const opening = open({ signal: abort.signal });
    await expect.poll(() => server.asked.length, { timeout: 10_000 }).toBeGreaterThan(0);
    abort.abort(new Error("interrupted"));
    await expect(opening).rejects.toThrow("interrupted");
  });
});

describe("package lists", () => {
  it("are asked for again only when the Release file is another", async () => {
    const first = await opened();
    expect(server.asked.filter(({ path }) => path.includes("binary-amd64")).length).toBeGreaterThan(1);
    server.reset();
    expect(await opened()).toEqual(first);
    expect(server.asked.map(({ status }) => status)).toEqual([304, 304, 304]);
  });

  it("of a snapshot may be past their time, those of a mirror may not", async () => {
    const env = { RTKIT_DEBIAN_SNAPSHOT: server.snapshots };
    await withClockAhead(60, async () => {
      const dated = await opened({ mirror: snapshotMirror("20261101T000000Z", env) });
      expect(dated.map(({ suite }) => suite)).toEqual(["trixie", "trixie-security", "trixie-updates"]);
      expect(new Set(server.asked.map(({ snapshot }) => snapshot))).toEqual(new Set(["20261101T000000Z"]));
      const error = await failure(opened());
      expect(error.code).toBe("RTK_MIRROR_UNREACHABLE");
      expect(error.message).toMatch(/expired/);
    });
  });

  it("come through the proxy of the host's apt", async () => {
    const conf = join(scratchDir("rtkit-proxy-"), "apt.conf");
    await writeFile(conf, `Acquire::http::Proxy "http://${server.host}";\n`);
    process.env["APT_CONFIG"] = conf;
    try {
      const releases = await opened({ mirror: parseMirror("http://deb.example/debian", "--mirror") });
      expect(releases).toHaveLength(3);
    } finally {
      delete process.env["APT_CONFIG"];
    }
    expect(server.asked.every(({ proxied }) => proxied)).toBe(true);
  });
});

describe("packages", () => {
  it("are resolved with all that they depend on, and an earlier choice stays", async () => {
    const index = await open();
    const packages = await index.resolve(["zlib1g"]);
    expect(packages.map(({ name }) => name)).toEqual(["gcc-14-base", "libc6", "libgcc-s1", "zlib1g"]);
    expect(packages.every(({ sha256, size }) => /^[0-9a-f]{64}$/.test(sha256) && size > 0)).toBe(true);
    expect(await index.resolve(["zlib1g"], packages)).toEqual(packages);
    expect(await index.resolve([], packages)).toEqual([]);
    await index.close();
  });

  it("that Debian does not have are named, all of them", async () => {
    const index = await open();
    const error = await failure(index.resolve(["zlib1g", "zlib-1g", "robot-arm"]));
    expect(error).toMatchObject({
      code: "RTK_PACKAGE_UNKNOWN",
      exitStatus: 2,
      message: "Debian has no package robot-arm, zlib-1g",
    });
    await index.close();
  });

  it("that exclude each other are not chosen", async () => {
    const index = await open();
    const error = await failure(index.resolve(["systemd-sysv", "sysvinit-core"]));
    expect(error).toMatchObject({ code: "RTK_PACKAGES_CONFLICT" });
    expect(error.message).toContain("sysvinit-core");
    await index.close();
  });
});

describe("apt's words", () => {
  const mirror = parseMirror("http://m.example/debian", "--mirror");

  it.each([
    [
      "'http://m.example/debian/pool/main/z/zlib/zlib1g_1.3%2bb1_amd64.deb' zlib1g_1%3a1.3+b1_amd64.deb 9 SHA256:0",
      "archive",
    ],
    [
      "'http://m.example/debian-security/pool/main/z/zlib/zlib1g_1.3%2bb1_amd64.deb' zlib1g_1%3a1.3+b1_amd64.deb 9 SHA256:0",
      "security",
    ],
  ])("a file of the plan: %s", (line, archive) => {
    const path = "pool/main/z/zlib/zlib1g_1.3+b1_amd64.deb";
    expect(parseUriLine(line, mirror)).toEqual({ name: "zlib1g", version: "1:1.3+b1", archive, path });
  });

  it.each(["", "Reading package lists...", "'http://other.example/debian/pool/a/a_1_all.deb' a_1_all.deb 1 SHA256:0"])(
    "no file: %s",
    (line) => {
      expect(parseUriLine(line, mirror)).toBeUndefined();
    },
  );

  it.each([
    // apt 3, which verifies with sqv.
    [
      "W: OpenPGP signature verification failed: http://m.example/debian trixie InRelease: Sub-process /usr/bin/sqv returned an error code (1)",
      "RTK_MIRROR_UNTRUSTED",
    ],
    ["E: Could not connect to m.example:80 (192.0.2.1). - connect (111: Connection refused)", "RTK_MIRROR_UNREACHABLE"],
    ["E: Failed to fetch http://m.example/debian/x  503  Busy [IP: 2001:db8::1 80]", "RTK_MIRROR_UNREACHABLE"],
    ["E: Package 'x' has no installation candidate", "RTK_PACKAGE_UNKNOWN"],
  ])("%s", (line, code) => {
    const error = explainApt([line], mirror);
    expect(error.code).toBe(code);
    expect(error.message).not.toMatch(/m\.example|192\.0\.2\.1|2001:/);
  });

  it("how to reach the network is taken from the host's settings, and nothing else", () => {
    const dump = [
      'Acquire "";',
      'Acquire::Check-Valid-Until "false";',
      'Acquire::http "";',
      'Acquire::http::Proxy "http://proxy.example:3128";',
      'Acquire::http::Proxy::near.example "DIRECT";',
      'Acquire::https::CaInfo "/etc/ssl/own.pem";',
      'Acquire::AllowInsecureRepositories "1";',
    ].join("\n");
    expect(networkSettings(dump)).toEqual({
      "Acquire::http::Proxy": "http://proxy.example:3128",
      "Acquire::http::Proxy::near.example": "DIRECT",
      "Acquire::https::CaInfo": "/etc/ssl/own.pem",
    });
  });
});

/** Runs something while programs that are started take it for so many days later. */
async function withClockAhead(days: number, work: () => Promise<void>): Promise<void> {
  const dir = scratchDir("rtkit-clock-");
  await writeFile(
    join(dir, "clock.c"),
    [
      "#include <time.h>",
      "time_t time(time_t *at) {",
      "  struct timespec now;",
      "  clock_gettime(CLOCK_REALTIME, &now);",
      `  now.tv_sec += ${days} * 24 * 3600;`,
      "  if (at) *at = now.tv_sec;",
      "  return now.tv_sec;",
      "}",
    ].join("\n"),
  );
  const library = join(dir, "clock.so");
  await execa("cc", ["-shared", "-fPIC", "-o", library, join(dir, "clock.c")]);
  process.env["LD_PRELOAD"] = library;
  try {
    await work();
  } finally {
    delete process.env["LD_PRELOAD"];
  }
}
