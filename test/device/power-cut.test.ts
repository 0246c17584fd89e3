import { chmodSync, existsSync, readFileSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { beforeEach, describe, expect, test } from "vitest";
import { makeBoard, program, release, sha256, stream, type Board } from "./release-board.ts";
import { mayTrace } from "./strace.ts";
import { scratchDir } from "../scratch.ts";

const FIRST = release({ imu: "imu 1", arm: "arm 1" });
const SECOND = release({ imu: "imu 2", arm: "arm 1" });
let board: Board;

beforeEach(async () => {
  board = makeBoard();
  await board.send(FIRST);
  symlinkSync(`releases/${FIRST.id}`, board.opt("current"));
});

test("killed at any moment, a release is not there or whole, and the next time it comes", async () => {
  const names = ["ln", "mv", "sync", "rm", "mkdir", "head", "stat", "sha256sum", "flock"];
  for (const name of names) {
    for (let nth = 1; nth <= 4; nth += 1) {
      writeFileSync(join(board.root, "count"), "");
      const standIn = join(board.root, "bin", name);
      writeFileSync(
        standIn,
        `#!/bin/sh\necho x >>'${board.root}/count'\n[ $(wc -l <'${board.root}/count') -lt ${nth} ] || kill -9 $PPID\nPATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${name} "$@"\n`,
      );
      chmodSync(standIn, 0o755);
      const made = release({ imu: `${name} ${nth}`, arm: "arm 1" });
      await board.rtnodectl(["receive", made.id], stream(made, [sha256("arm 1")]));
      board.standIn(name, `PATH=/usr/sbin:/usr/bin:/sbin:/bin exec ${name} "$@"`);
      if (existsSync(board.opt(`releases/${made.id}`))) {
        await execa("sha256sum", ["--check", "--quiet", "SHA256SUMS"], { cwd: board.opt(`releases/${made.id}`) });
      }
      await board.done(["receive", made.id], stream(made, [sha256("arm 1")]));
      expect(readFileSync(board.opt(`releases/${made.id}/nodes/imu.pyz`), "utf8")).toBe(`${name} ${nth}`);
    }
  }
});

/** A path below /opt/rtnode, with the release that is sent as ID. */
const file = (text: string): string => text.replaceAll(`${board.opt()}/`, "").replaceAll(SECOND.id, "ID");

/** What rtnodectl does to files below /opt/rtnode, in order: what it writes, syncs and renames. */
async function steps(words: readonly string[], input: string): Promise<string[]> {
  const trace = join(scratchDir("strace-"), "trace");
  const calls = "openat,fsync,syncfs,rename,renameat,renameat2,unlink,unlinkat";
  await execa("strace", ["-f", "-o", trace, "-y", "-e", `trace=${calls}`, "sh", program, ...words], {
    env: board.env,
    input: Buffer.from(input, "latin1"),
  });
  return readFileSync(trace, "utf8")
    .split("\n")
    .filter((line) => line.includes(board.opt()) && !line.includes(" = -1 "))
    .flatMap((line) => {
      const opened = /openat\(.*"([^"]+)", .*O_(?:WRONLY|RDWR)/.exec(line)?.[1];
      if (opened !== undefined) return [`write ${file(opened)}`];
      // Of all that the file system has to write, or of one file.
      if (line.includes("syncfs")) return ["sync"];
      if (line.includes("fsync")) return ["sync of a file"];
      const renamed = /rename\w*\(.*?"([^"]+)", .*?"([^"]+)"/.exec(line);
      if (renamed !== null) return [`${file(renamed[1] ?? "")} -> ${file(renamed[2] ?? "")}`];
      return [];
    })
    .filter((step, index, all) => step !== all[index - 1]);
}

describe.skipIf(!(await mayTrace()))("at a power cut the file system has", () => {
  test("a release whole or not at all: everything of it is on the disk before its name is", async () => {
    const done = await steps(["receive", SECOND.id], stream(SECOND));
    expect(done.slice(-2)).toEqual(["sync", "releases/.new -> releases/ID"]);
    expect(done.indexOf("sync")).toBe(done.length - 2);
    expect(done).toContain("write releases/.new/nodes/imu.pyz");
  });

  test("the release, then the way back from it, before it is current", async () => {
    await board.send(SECOND);
    const done = await steps(["activate", SECOND.id, "--confirm-within", "30"], "");
    expect(done).toEqual([
      "write pending.new",
      "sync",
      "pending.new -> pending",
      "sync",
      ".next/previous -> previous",
      ".next/current -> current",
      "sync",
    ]);
  });
});
