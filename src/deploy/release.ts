import { createReadStream } from "node:fs";
import { buffer } from "node:stream/consumers";
import { extract } from "tar-stream";
import * as z from "zod";
import { sha256 } from "../pipeline/digest.ts";

/** A release as it is sent: its list of files, and their content by sha256. */
export interface Release {
  /** The sha256 of {@link Release.sums}: names it on the board. */
  readonly id: string;
  /** The file SHA256SUMS, in the format of sha256sum(1). */
  readonly sums: Buffer;
  /** The content of each file that `sums` names, by its sha256; equal files are there once. */
  readonly blobs: ReadonlyMap<string, Buffer>;
  readonly nodes: readonly ReleaseNode[];
}

/** The part of a release's manifest.json that deploying reads. */
const Manifest = z.object({
  nodes: z.array(
    z.object({
      name: z.string().regex(/^[a-z0-9][a-z0-9-]{0,62}$/),
      sha256: z.string(),
      conf: z.object({ sha256: z.string() }),
      schedule: z.object({
        policy: z.enum(["other", "batch", "idle", "fifo", "rr", "deadline"]),
        priority: z.int().optional(),
        cpus: z.array(z.int()),
      }),
    }),
  ),
});

/** One node of a release: the digests of its bundle and launch options, and the scheduling that it is to have. */
export type ReleaseNode = z.infer<typeof Manifest>["nodes"][number];

/** Reads a release that the bundle domain made. */
export async function readRelease(path: string): Promise<Release> {
  const files = new Map<string, Buffer>();
  const reader = extract();
  const source = createReadStream(path);
  source.on("error", (error) => reader.destroy(error));
  source.pipe(reader);
  for await (const entry of reader) files.set(entry.header.name, await buffer(entry));
  const sums = files.get("SHA256SUMS");
  const manifest = files.get("manifest.json");
  if (sums === undefined || manifest === undefined) throw new Error(`${path} has no SHA256SUMS or no manifest.json`);
  const blobs = new Map<string, Buffer>();
  for (const [, digest = "", name = ""] of sums.toString("utf8").matchAll(/^([0-9a-f]{64}) {2}(.+)$/gm)) {
    const content = files.get(name);
    if (content === undefined || sha256(content) !== digest) throw new Error(`${path}: ${name} is not as listed`);
    blobs.set(digest, content);
  }
  return { id: sha256(sums), sums, blobs, nodes: parseManifest(manifest.toString("utf8")) };
}

/** The nodes of a manifest.json. Throws what zod throws when it is none. */
export function parseManifest(text: string): readonly ReleaseNode[] {
  return Manifest.parse(JSON.parse(text)).nodes;
}
