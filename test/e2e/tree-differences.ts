import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";
import { extract, type Header } from "tar-stream";

/** A path of which two trees say something different, and what: `null` where one does not have it. */
export interface Difference {
  readonly path: string;
  readonly first: Entry | null;
  readonly second: Entry | null;
}

/** All that a tar says of one path: owner, mode, kind, link, device, time and extended attributes, and its content's sha256. */
type Entry = Pick<Header, "mode" | "uid" | "gid" | "type" | "linkname" | "devmajor" | "devminor"> & {
  readonly time: number;
  readonly attributes: Readonly<Record<string, string>>;
  readonly sha256: string;
};

/** Compares two trees that are tars, path by path. */
export async function differences(first: string, second: string): Promise<Difference[]> {
  const [a, b] = [await readTree(first), await readTree(second)];
  return [...new Set([...a.keys(), ...b.keys()])].toSorted().flatMap((path) => {
    const [one, other] = [a.get(path) ?? null, b.get(path) ?? null];
    return JSON.stringify(one) === JSON.stringify(other) ? [] : [{ path, first: one, second: other }];
  });
}

async function readTree(tar: string): Promise<Map<string, Entry>> {
  const entries = new Map<string, Entry>();
  const reader = createReadStream(tar).pipe(extract());
  for await (const entry of reader) {
    const { name, mode, uid, gid, type, linkname, devmajor, devminor, mtime, pax } = entry.header;
    const hash = createHash("sha256");
    for await (const chunk of entry) hash.update(chunk as Buffer);
    entries.set(name, {
      mode,
      uid,
      gid,
      type,
      linkname,
      devmajor,
      devminor,
      time: mtime?.getTime() ?? 0,
      attributes: (pax ?? {}) as Record<string, string>,
      sha256: hash.digest("hex"),
    });
  }
  return entries;
}
