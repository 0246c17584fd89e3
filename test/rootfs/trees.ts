import { createWriteStream } from "node:fs";
import type { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { extract, pack } from "tar-stream";

/** An entry of a test tree, as tar-stream takes it. */
export interface TestEntry {
  readonly name: string;
  readonly type?: "file" | "directory" | "symlink" | "link" | "character-device";
  readonly linkname?: string;
  readonly content?: string;
  readonly mode?: number;
  readonly uid?: number;
  readonly gid?: number;
  readonly pax?: Record<string, string>;
}

/** Writes entries to a tar. */
export async function writeTar(path: string, entries: readonly TestEntry[]): Promise<void> {
  const tar = pack();
  for (const { content = "", ...entry } of entries) {
    const headers = { mode: 0o644, mtime: new Date(0), type: "file" as const, ...entry };
    if (headers.type === "file") tar.entry(headers, content);
    else tar.entry(headers);
  }
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
}

/** What a tar holds, by path, in its order. */
export async function readTar(tar: Readable): Promise<Map<string, TestEntry>> {
  const entries = new Map<string, TestEntry>();
  const reader = extract();
  const done = pipeline(tar, reader);
  // Awaited below, after what it broke has been seen.
  done.catch(() => undefined);
  for await (const entry of reader) {
    const chunks: Buffer[] = [];
    for await (const chunk of entry) chunks.push(chunk as Buffer);
    const { name, type, linkname, mode, uid, gid } = entry.header;
    const path = name.replace(/^\.\//, "").replace(/\/$/, "");
    if (entries.has(path)) throw new Error(`${path} is in the tar twice`);
    entries.set(path, {
      name: path,
      type: type as NonNullable<TestEntry["type"]>,
      ...(linkname === null || linkname === undefined ? {} : { linkname }),
      content: Buffer.concat(chunks).toString(),
      ...(mode === undefined ? {} : { mode }),
      ...(uid === undefined ? {} : { uid }),
      ...(gid === undefined ? {} : { gid }),
    });
  }
  await done;
  return entries;
}

/** A small Debian tree with a merged /usr. */
export const debianTree: readonly TestEntry[] = [
  { name: "./", type: "directory", mode: 0o755 },
  { name: "./bin", type: "symlink", linkname: "usr/bin" },
  { name: "./etc/", type: "directory", mode: 0o755 },
  { name: "./etc/group", content: "root:x:0:\nrobot:x:1000:\n" },
  { name: "./etc/issue", content: "Debian\n" },
  { name: "./etc/made", content: "by a script\n" },
  { name: "./etc/passwd", content: "root:x:0:0:root:/root:/bin/bash\nrobot:x:1000:1000::/home/robot:/bin/bash\n" },
  { name: "./usr/", type: "directory", mode: 0o755 },
  { name: "./usr/bin/", type: "directory", mode: 0o755 },
  { name: "./usr/bin/perl", content: "perl", mode: 0o755 },
  { name: "./usr/bin/perl5", type: "link", linkname: "./usr/bin/perl", mode: 0o755 },
  { name: "./usr/bin/sudo", content: "sudo", mode: 0o4755 },
  { name: "./var/", type: "directory", mode: 0o755 },
  { name: "./var/lib/dpkg/info/base-files.list", content: "/.\n/etc\n/etc/issue\n" },
  { name: "./var/lib/dpkg/info/sudo:amd64.list", content: "/.\n/usr\n/bin/sudo\n" },
];
