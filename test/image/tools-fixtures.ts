import { createWriteStream } from "node:fs";
import { mkdir, readdir, stat, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { Readable } from "node:stream";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { readingTools } from "../../src/cli/tools.ts";
import { cacheDir } from "../../src/core/paths.ts";
import type { Toolbox } from "../../src/core/toolbox.ts";
import type { ReleaseTar } from "../../src/image/data-step.ts";
import { digestFile } from "../../src/pipeline/digest.ts";
import type { Context, FileRecord, StepOutput } from "../../src/pipeline/step.ts";

/** The tools that builds use, made once and kept in the user's cache. */
export async function realTools(): Promise<Toolbox> {
  return readingTools(contextIn(cacheDir()));
}

/** A context that says nothing. */
export function contextIn(dir: string, signal = new AbortController().signal): Context {
  return { signal, emit: () => undefined, cacheDir: dir };
}

/** A folder with the given files, as a step leaves it. */
export async function stepOutput(
  dir: string,
  files: Readonly<Record<string, string | Uint8Array>>,
): Promise<StepOutput> {
  const records: Record<string, FileRecord> = {};
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(dir, path)), { recursive: true });
    await writeFile(join(dir, path), content);
    records[path] = { size: (await stat(join(dir, path))).size, sha256: await digestFile(join(dir, path)) };
  }
  return { dir, digest: "packages", cached: false, files: records };
}

/** One of `rootTar`'s files has pages of zeros inside: allocated, yet equal to a hole. */
export const zeroPages = Buffer.concat([Buffer.alloc(4096, 1), Buffer.alloc(40 * 4096), Buffer.alloc(4096, 2)]);

/** cap_net_raw+ep as the kernel keeps it (struct vfs_cap_data, revision 2). */
const CAPABILITY = "\u0001\0\0\u0002\0 \0\0\0\0\0\0\0\0\0\0\0\0\0\0";

/** A name longer than a ustar header holds. */
export const longName = `usr/share/${"long-".repeat(30)}/${"name-".repeat(20)}`;

const FOLDERS = [
  "./",
  "dev",
  "etc",
  "etc/systemd",
  "etc/systemd/system",
  "etc/systemd/system/multi-user.target.wants",
  "home",
  "home/robot",
  "usr",
  "usr/bin",
  "usr/lib",
  "usr/lib/modules",
  "usr/lib/modules/6.12.0-rt-arm64",
  "usr/share",
  dirname(longName),
  "var",
  "var/lib",
  "var/lib/dpkg",
];

/** A small root file system with all that a tar can carry. */
export function rootTar(): Readable {
  const tar = pack();
  const owner = { uid: 0, gid: 0, mtime: new Date(1_700_000_000_000) };
  const file = (name: string, content: string | Buffer, more: object = {}): void =>
    void tar.entry({ ...owner, name, mode: 0o644, ...more }, content);
  // mke2fs wants each folder before what lies in it.
  for (const name of FOLDERS) tar.entry({ ...owner, name, type: "directory", mode: 0o755 });
  file("usr/lib/os-release", 'PRETTY_NAME="Debian GNU/Linux 13 (trixie)"\nID=debian\n');
  tar.entry({ ...owner, name: "etc/os-release", type: "symlink", linkname: "../usr/lib/os-release" });
  file("etc/hostname", "arm\n");
  file("etc/passwd", "root:x:0:0:root:/root:/bin/bash\nrobot:x:1000:1000::/home/robot:/bin/bash\n");
  file(
    "var/lib/dpkg/status",
    [
      "Package: libc6\nStatus: install ok installed\nArchitecture: arm64\nVersion: 2.41-12\n",
      "Package: gone\nStatus: deinstall ok config-files\nArchitecture: arm64\nVersion: 1\n",
    ].join("\n"),
  );
  const wants = "etc/systemd/system/multi-user.target.wants/rtnode.target";
  tar.entry({ ...owner, name: wants, type: "symlink", linkname: "/usr/lib/systemd/system/rtnode.target" });
  file("usr/bin/sudo", "program", { mode: 0o4755 });
  tar.entry({ ...owner, name: "usr/bin/sudoedit", type: "link", linkname: "usr/bin/sudo", mode: 0o4755 });
  file("usr/bin/ping", "ping", { mode: 0o755, pax: { "SCHILY.xattr.security.capability": CAPABILITY } });
  file("usr/lib/zeros", zeroPages);
  file("home/robot/.profile", "", { uid: 1000, gid: 1000, mode: 0o600 });
  file(longName, "long");
  tar.entry({ ...owner, name: "dev/null", type: "character-device", devmajor: 1, devminor: 3, mode: 0o666 });
  tar.finalize();
  return Readable.from(tar);
}

/** Names of all files in a folder, sorted. */
export async function namesIn(dir: string): Promise<string[]> {
  return (await readdir(dir)).toSorted();
}

/** A release with one node. */
export async function releaseTar(dir: string): Promise<ReleaseTar> {
  const path = join(dir, "release.tar");
  const tar = pack();
  tar.entry({ name: "manifest.json" }, "{}");
  tar.entry({ name: "nodes/imu.conf" }, "# launch options\npolicy fifo\npriority 40\n");
  tar.entry({ name: "nodes/imu.pyz" }, "PK");
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
  return { path, id: "0123abcd", sha256: await digestFile(path), size: (await stat(path)).size };
}
