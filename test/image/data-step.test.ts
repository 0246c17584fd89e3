import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { text } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { dataTar, type ReleaseTar } from "../../src/image/data-step.ts";
import { inScratch } from "./fixtures.ts";

/** 2025-08-09, as the release's files say after it. */
const TIME = 1_754_697_600;

async function release(dir: string, fill: (tar: ReturnType<typeof pack>) => void): Promise<ReleaseTar> {
  const path = join(dir, "release.tar");
  const tar = pack();
  fill(tar);
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
  return { path, id: "0123abcd", sha256: "00", size: 0 };
}

async function entriesOf(tar: ReleaseTar): Promise<string[]> {
  const reader = extract();
  const source = dataTar(tar, TIME);
  source.on("error", (error) => reader.destroy(error));
  source.pipe(reader);
  const lines: string[] = [];
  for await (const entry of reader) {
    const { name, type, mode = 0, uid, gid, mtime, linkname } = entry.header;
    const content = type === "symlink" ? `-> ${linkname}` : await text(entry);
    lines.push(`${mode.toString(8)} ${uid}:${gid} ${mtime?.toISOString().slice(0, 10)} ${name} ${content}`.trimEnd());
    entry.resume();
  }
  return lines;
}

describe("dataTar", () => {
  it("puts a release into its folder, owned by root, and makes it current", async () => {
    await inScratch(async (dir) => {
      const tar = await release(dir, (out) => {
        out.entry({ name: "manifest.json", mode: 0o600, uid: 1000, gid: 1000, mtime: new Date() }, "{}");
        out.entry({ name: "nodes/", type: "directory" });
        out.entry({ name: "nodes/arm.bin", mode: 0o775 }, "ELF");
        out.entry({ name: "nodes/arm.conf", mode: 0o664 }, "policy fifo");
      });
      expect(await entriesOf(tar)).toEqual([
        "755 0:0 2025-08-09 ./",
        "755 0:0 2025-08-09 releases/",
        "755 0:0 2025-08-09 releases/0123abcd/",
        "644 0:0 2025-08-09 releases/0123abcd/manifest.json {}",
        "755 0:0 2025-08-09 releases/0123abcd/nodes/",
        "755 0:0 2025-08-09 releases/0123abcd/nodes/arm.bin ELF",
        "644 0:0 2025-08-09 releases/0123abcd/nodes/arm.conf policy fifo",
        "777 0:0 2025-08-09 current -> releases/0123abcd",
      ]);
    });
  });

  it("refuses a link in a release", async () => {
    await inScratch(async (dir) => {
      const tar = await release(dir, (out) => out.entry({ name: "x", type: "symlink", linkname: "/etc" }));
      await expect(entriesOf(tar)).rejects.toThrow("release 0123abcd holds a symlink: x");
    });
  });

  it("fails with the reason when the release cannot be read", async () => {
    const missing = { path: "/nonexistent/release.tar", id: "0123abcd", sha256: "00", size: 0 };
    await expect(entriesOf(missing)).rejects.toThrow("ENOENT");
  });
});
