import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { neededGlibc } from "../../bundle/glibc.ts";
import type { Board } from "../../config/model.ts";
import { rtkitRoot } from "../../core/paths.ts";
import type { SystemFile } from "../../deploy/bootstrap.ts";
import { avahiAnnouncement, resolvedAnnouncement } from "../../rootfs/announcement.ts";
import type { Layer, LayerEntry } from "../../rootfs/layer.ts";
import { loadOverlays } from "../../rootfs/overlay.ts";

/** The overlays that make a Debian the ground for nodes; what else an image has is its own business. */
const OVERLAYS = ["rt-limits", "rtnode"];

/** What is installed on a system that becomes a target. */
export interface SystemFiles {
  /** The files of a system to which these users may deploy. */
  readonly filesFor: (logins: readonly string[]) => readonly SystemFile[];
  readonly bytes: number;
  /** The version of the C library that the programs need. */
  readonly glibc: string;
}

/** Reads the overlays that images are made of, with the programs for a board's architecture. Throws RTK_OVERLAY_PROGRAM. */
export async function readSystemFiles({
  name,
  architecture,
}: Pick<Board, "name" | "architecture">): Promise<SystemFiles> {
  const programsDir = join(rtkitRoot, "build", "device", architecture);
  const layers = await loadOverlays(
    OVERLAYS.map((overlay) => join(rtkitRoot, "overlays", overlay)),
    { programsDir },
  );
  const files = [
    ...(await Promise.all(layers.map(filesOf))).flat(),
    // Whichever of the two the system has.
    text("usr/lib/systemd/dnssd/rtkit.dnssd", resolvedAnnouncement(name)),
    text("etc/avahi/services/rtkit.service", avahiAnnouncement(name)),
  ];
  const contents = files.flatMap(({ content }) => ("bytes" in content ? [content.bytes] : []));
  const glibc = neededGlibc(contents);
  if (glibc === undefined) throw new Error("librtnode.so asks for no version of the C library");
  return {
    filesFor: (logins) => [...files.map((file) => withLogins(file, logins)), readsJournal(logins)],
    bytes: contents.reduce((sum, { length }) => sum + length, 0),
    glibc,
  };
}

async function filesOf({ name, entries }: Layer): Promise<SystemFile[]> {
  const files = await Promise.all(
    entries.map(async (entry): Promise<SystemFile | undefined> => {
      if (entry.owner !== "root" || entry.group !== "root") throw new Error(`${name}: /${entry.path} is not root's`);
      const content = await contentOf(entry);
      return content === undefined ? undefined : { path: entry.path, mode: entry.mode, content };
    }),
  );
  return files.filter((file) => file !== undefined);
}

/** Undefined for a folder that only says that files follow. */
async function contentOf({ content }: LayerEntry): Promise<SystemFile["content"] | undefined> {
  switch (content.kind) {
    case "directory":
      return content.declared ? { directory: true } : undefined;
    case "symlink":
      return { symlink: content.target };
    case "file":
      return { bytes: await readFile(content.source) };
    case "text":
      return { bytes: Buffer.from(content.text) };
  }
}

/** Files that name users: sudo's rule, and sysusers.d(5). */
const NAMES_USERS = /^(?:etc\/sudoers\.d|usr\/lib\/sysusers\.d)\//;

/** A line for the image's user, `robot`, becomes one for each of these. */
export function withLogins(file: SystemFile, logins: readonly string[]): SystemFile {
  if (!NAMES_USERS.test(file.path) || !("bytes" in file.content)) return file;
  const lines = file.content.bytes.toString("utf8").split("\n");
  const named = lines
    .flatMap((line) =>
      !line.startsWith("#") && /\brobot\b/.test(line)
        ? logins.map((login) => line.replaceAll(/\brobot\b/g, login))
        : [line],
    )
    .join("\n");
  return { ...file, content: { bytes: Buffer.from(named) } };
}

/** In an image, overlay base says so of `robot`. */
function readsJournal(logins: readonly string[]): SystemFile {
  const lines = logins.map((login) => `m ${login} systemd-journal\n`);
  return text("usr/lib/sysusers.d/rtnode-login.conf", `# Who deploys reads the logs of the nodes.\n${lines.join("")}`);
}

function text(path: string, content: string): SystemFile {
  return { path, mode: 0o644, content: { bytes: Buffer.from(content) } };
}
