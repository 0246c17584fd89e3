import { readdir, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { printLock, withBoard, type LockedNodejs, type LockedPackage } from "../../src/rootfs/lock.ts";
import { lockPath, parseLock, readLock, writeBoardLock } from "../../src/rootfs/lock-file.ts";
import { scratchDir } from "../scratch.ts";
import { boardLock, lockedNodejs, lockedPackage } from "./locks.ts";

const good = printLock(withBoard(undefined, "rpi4", boardLock()));

const messageOf = (text: string): string => {
  try {
    parseLock(text, "/p/rtkit.lock");
  } catch (error) {
    expect(error).toMatchObject({
      code: "RTK_LOCK_INVALID",
      exitStatus: 2,
      where: { file: "/p/rtkit.lock" },
      hint: "take it from version control again, or delete it: the next build writes a new one",
    });
    return (error as Error).message;
  }
  return "it was read";
};

const withPackage = (changes: Partial<LockedPackage>): string =>
  printLock(
    withBoard(
      undefined,
      "rpi4",
      boardLock({ base: { wanted: [], packages: [{ ...lockedPackage("libc6"), ...changes }] } }),
    ),
  );

describe("a damaged lock", () => {
  test.each([
    ["nothing", "", "it is no JSON"],
    ["half of one", good.slice(0, good.length / 2), "it is no JSON"],
    ["a merge conflict", good.replace('  "boards"', '<<<<<<< HEAD\n  "boards"'), "a merge conflict?"],
    ["a list", "[]", "the whole: "],
    ["another format", good.replace('"format": 1', '"format": 2'), "format: "],
    ["a key that is not known", good.replace('"suite"', '"sweet"'), "boards.rpi4"],
    ["no Release file", good.replace(/"releases": \[[^\]]*\]/, '"releases": []'), "boards.rpi4.releases: "],
    ["a date that is none", good.replace("2026-11-14T", "2026-13-14T"), "boards.rpi4.releases.0.date: "],
    [
      "an architecture without boards",
      good.replace('"architecture": "arm64"', '"architecture": "riscv64"'),
      "boards.rpi4.architecture: ",
    ],
  ])("%s", (_, text, message) => {
    expect(text).not.toBe(good);
    expect(messageOf(text)).toContain(message);
  });

  test.each<[keyof LockedPackage, unknown]>([
    ["name", "-oDebug=1"],
    ["name", "../x"],
    ["name", "x y"],
    ["name", "X"],
    ["version", "1/../2"],
    ["version", "1 2"],
    ["version", "-1"],
    ["architecture", "../amd64"],
    ["architecture", "-all"],
    ["sha256", "abc"],
    ["sha256", "A".repeat(64)],
    ["size", 0],
    ["size", -1],
    ["size", "12"],
    ["archive", "other"],
    ["path", "/etc/passwd.deb"],
    ["path", "../x.deb"],
    ["path", "pool/../../x.deb"],
    ["path", "pool/x/..//y.deb"],
    ["path", "pool/main/x.deb?y"],
    ["path", "pool/main/x y.deb"],
    ["path", "pool/main/x.deb\n"],
    ["path", "pool/main/x.tar"],
  ])("a package whose %s is %j", (key, value) => {
    expect(messageOf(withPackage({ [key]: value }))).toContain(`boards.rpi4.base.packages.0.${key}: `);
  });

  test.each(["-oDebug=1", "x y", "?essential", "~i", "a/sid", "a=1", "a+,b", ""])(
    "a name that was asked for and would mean something else to apt or mmdebstrap: %j",
    (name) => {
      const text = printLock(withBoard(undefined, "rpi4", boardLock({ project: { wanted: [name], packages: [] } })));
      expect(messageOf(text)).toContain("boards.rpi4.project.wanted.0: ");
    },
  );

  test.each<[keyof LockedNodejs, unknown]>([
    ["version", "24"],
    ["version", "24.22.0 --registry=http://x"],
    ["version", "../24.22.0"],
    ["version", "24.22.0-rc.1"],
    ["integrity", "sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk="],
    ["integrity", lockedNodejs("24.22.0").integrity.replace("=", "")],
    ["integrity", `${lockedNodejs("24.22.0").integrity} sha1-2jmj7l5rSw0yVb/vlWAYkK/YBwk=`],
  ])("a Node.js whose %s is %j", (key, value) => {
    const nodejs = { ...lockedNodejs("24.22.0"), [key]: value };
    const text = printLock(withBoard(undefined, "rpi4", boardLock({ nodejs })));
    expect(messageOf(text)).toContain(`boards.rpi4.nodejs.${key}: `);
  });

  test("a sound one is read", () => expect(messageOf(good)).toBe("it was read"));
});

test("a lock of before there was image.node has none", () => {
  expect(good).not.toContain("nodejs");
  expect(parseLock(good, "rtkit.lock").boards["rpi4"]?.nodejs).toBeNull();
});

const context = { cacheDir: scratchDir("cache-"), signal: new AbortController().signal };

describe("the file beside the project file", () => {
  test("there is none before the first build", async () => {
    expect(await readLock(lockPath(scratchDir("lock-")))).toBeUndefined();
  });

  test("each board keeps its own section", async () => {
    const dir = scratchDir("lock-");
    const path = lockPath(dir);
    const other = boardLock({ architecture: "amd64" });
    await writeBoardLock(context, path, "rpi4", boardLock());
    await writeBoardLock(context, path, "qemu-x86_64", other);
    await writeBoardLock(context, path, "rpi4", boardLock({ suite: "forky" }));
    expect(await readLock(path)).toEqual({
      format: 1,
      boards: { "qemu-x86_64": other, rpi4: boardLock({ suite: "forky" }) },
    });
    expect(await readdir(dir)).toEqual(["rtkit.lock"]);
  });

  test("several builds that write at once lose nothing", async () => {
    const dir = scratchDir("lock-");
    const boards = Array.from({ length: 12 }, (_, index) => `board-${String(index).padStart(2, "0")}`);
    await Promise.all(boards.map(async (board) => writeBoardLock(context, lockPath(dir), board, boardLock())));
    expect(Object.keys((await readLock(lockPath(dir)))?.boards ?? {})).toEqual(boards);
    expect(await readdir(dir)).toEqual(["rtkit.lock"]);
  });

  test("one that says the same is left as it is, byte for byte", async () => {
    const path = lockPath(scratchDir("lock-"));
    const text = JSON.stringify(JSON.parse(good));
    await writeFile(path, text);
    await writeBoardLock(context, path, "rpi4", boardLock());
    expect(await readFile(path, "utf8")).toBe(text);
  });

  test("a damaged one is not written over", async () => {
    const path = join(scratchDir("lock-"), "rtkit.lock");
    await writeFile(path, "{");
    await expect(writeBoardLock(context, path, "rpi4", boardLock())).rejects.toMatchObject({
      code: "RTK_LOCK_INVALID",
    });
    expect(await readFile(path, "utf8")).toBe("{");
  });
});
