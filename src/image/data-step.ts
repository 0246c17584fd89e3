import { createReadStream } from "node:fs";
import { pipeline } from "node:stream/promises";
import type { Readable } from "node:stream";
import { extract, pack, type Header, type Pack } from "tar-stream";
import type { Toolbox } from "../core/toolbox.ts";
import type { Step } from "../pipeline/step.ts";
import type { ContentSize } from "./content-size.ts";
import { ext4Step } from "./ext4-step.ts";
import type { PlacedPartition } from "./layout.ts";

/** A release as the bundle domain makes it: a tar of `manifest.json` and `nodes/`. */
export interface ReleaseTar {
  readonly path: string;
  /** The sha256 of its content; names its folder on the board. */
  readonly id: string;
  readonly sha256: string;
  /** Size of the tar in bytes. */
  readonly size: number;
}

/** Makes the ext4 of `/opt/rtnode`, with the release in `releases/<id>/` and `current` pointing to it. */
export function dataStep(options: {
  readonly tools: Toolbox;
  readonly partition: PlacedPartition;
  readonly release: ReleaseTar;
}): Step {
  const { tools, partition, release } = options;
  return ext4Step("data", "Data partition", {
    tools,
    partition,
    tar: {
      digest: { release: release.sha256, id: release.id },
      open: async () => dataTar(release, tools.sourceDateEpoch),
    },
  });
}

/** How much the data partition must hold; the tar's own padding makes it err on the large side. */
export function dataContentSize(release: ReleaseTar, nodes: number): ContentSize {
  // Folders, the link, the manifest; a program, a .conf for each node.
  return { bytes: release.size, entries: 8 + nodes * 2 };
}

/** The content of the data partition as a tar stream: all of root, readable by everyone, writable by nobody else. */
export function dataTar(release: ReleaseTar, sourceDateEpoch: number): Readable {
  const tar = pack();
  fill(tar, release, sourceDateEpoch).catch((error: unknown) =>
    tar.destroy(error instanceof Error ? error : new Error(String(error))),
  );
  return tar as unknown as Readable;
}

async function fill(tar: Pack, release: ReleaseTar, sourceDateEpoch: number): Promise<void> {
  const mtime = new Date(sourceDateEpoch * 1000);
  const header = (name: string, type: Header["type"], mode: number): Partial<Header> & { name: string } => ({
    name,
    type,
    mode,
    uid: 0,
    gid: 0,
    uname: "root",
    gname: "root",
    mtime,
  });
  const root = `releases/${release.id}`;
  const folders = new Set<string>();
  const addFolders = (path: string): void => {
    const parts = path.split("/").slice(0, -1);
    for (let depth = 1; depth <= parts.length; depth += 1) {
      const folder = parts.slice(0, depth).join("/");
      if (folders.has(folder)) continue;
      folders.add(folder);
      tar.entry(header(`${folder}/`, "directory", 0o755));
    }
  };
  tar.entry(header("./", "directory", 0o755));
  const reader = extract();
  const source = createReadStream(release.path);
  source.on("error", (error) => reader.destroy(error));
  source.pipe(reader);
  for await (const entry of reader) {
    const { name, type, size = 0, mode = 0 } = entry.header;
    const path = `${root}/${name.replace(/^\.\//, "").replace(/\/$/, "")}`;
    if (type === "file") {
      addFolders(path);
      const target = tar.entry({ ...header(path, "file", (mode & 0o100) === 0 ? 0o644 : 0o755), size });
      await pipeline(entry, target);
    } else if (type === "directory") addFolders(`${path}/`);
    else throw new Error(`release ${release.id} holds a ${type ?? "thing"}: ${name}`);
    entry.resume();
  }
  tar.entry({ ...header("current", "symlink", 0o777), linkname: root });
  tar.finalize();
}
