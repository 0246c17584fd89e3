import * as z from "zod";
import { RtkitError } from "../core/errors.ts";

const fileRecord = z.strictObject({ size: z.number(), sha256: z.string() });

/** manifest.json: what an image holds and what it was made of, for people and other tools. Holds no path of the host. */
const manifestSchema = z.strictObject({
  /** Raised when a reader of an older one would misread it. */
  format: z.literal(1),
  /** The rtkit that built it. */
  rtkit: z.string(),
  name: z.string(),
  board: z.string(),
  /** Debian's names. */
  suite: z.string(),
  architecture: z.string(),
  kernel: z.strictObject({
    release: z.string(),
    options: z.array(
      z.strictObject({
        name: z.string(),
        wanted: z.string(),
        got: z.string(),
        severity: z.enum(["fatal", "high", "medium", "info"]),
        verdict: z.enum(["satisfied", "compensated", "differs", "unsaid"]),
        /** What makes up for it at run time. */
        by: z.string().exactOptional(),
        reason: z.string(),
      }),
    ),
  }),
  /** Without line end. */
  cmdline: z.string(),
  /** Names, in layering order. */
  overlays: z.array(z.string()),
  packages: z.array(z.strictObject({ name: z.string(), version: z.string(), architecture: z.string() })),
  /** The official build of Node.js, an npm package, with the hash of its tarball (W3C, Subresource Integrity). */
  nodejs: z.strictObject({ package: z.string(), version: z.string(), integrity: z.string() }).exactOptional(),
  nodes: z.array(
    z.strictObject({
      name: z.string(),
      runtime: z.string(),
      /** As in the project file; times in nanoseconds. */
      schedule: z.record(z.string(), z.union([z.string(), z.number(), z.array(z.number())])),
    }),
  ),
  /** The active release's id. */
  release: z.string(),
  layout: z.strictObject({
    table: z.enum(["mbr", "gpt"]),
    diskId: z.string(),
    size: z.number(),
    partitions: z.array(
      z.strictObject({
        name: z.string(),
        number: z.number(),
        content: z.string(),
        filesystem: z.string(),
        mount: z.string().nullable(),
        start: z.number(),
        size: z.number(),
        partUuid: z.string(),
        fsUuid: z.string(),
      }),
    ),
  }),
  /** By file name: the image, its bmap, release.tar, … */
  artifacts: z.record(z.string(), fileRecord),
});

/** See the schema's own comments in this file. */
export type Manifest = z.infer<typeof manifestSchema>;

/** A manifest as the text of manifest.json: indented, members in the schema's order, artifacts by name. */
export function printManifest(manifest: Manifest): string {
  const artifacts = Object.entries(manifest.artifacts).toSorted(([a], [b]) => (a < b ? -1 : 1));
  const ordered = manifestSchema.parse({ ...manifest, artifacts: Object.fromEntries(artifacts) });
  return `${JSON.stringify(ordered, null, 2)}\n`;
}

/** Reads manifest.json. Throws RTK_MANIFEST_INVALID when the text is none, or of a format this rtkit does not know. */
export function parseManifest(text: string): Manifest {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch (error) {
    throw invalid("it is not JSON", error);
  }
  const parsed = manifestSchema.safeParse(value);
  if (!parsed.success) throw invalid(z.prettifyError(parsed.error), parsed.error);
  return parsed.data;
}

function invalid(reason: string, cause: unknown): RtkitError {
  return new RtkitError("RTK_MANIFEST_INVALID", `manifest.json cannot be used: ${reason}`, {
    hint: "build the image again with this rtkit",
    cause,
  });
}
