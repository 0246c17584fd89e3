import { createHash } from "node:crypto";
import { createReadStream } from "node:fs";

/** A value that has one JSON form. Keys may come in any order; {@link digestOf} sorts them. */
export type Json = null | boolean | number | string | readonly Json[] | { readonly [key: string]: Json | undefined };

/** The sha256, in hex, of a value's canonical JSON: keys sorted, undefined members left out. */
export function digestOf(value: Json): string {
  return sha256(canonicalJson(value));
}

/** JSON with sorted keys and no white space, so that equal values have equal text. */
export function canonicalJson(value: Json): string {
  if (Array.isArray(value)) return `[${value.map((item: Json) => canonicalJson(item)).join(",")}]`;
  if (value !== null && typeof value === "object") {
    const members = Object.entries(value)
      .filter(([, member]) => member !== undefined)
      .toSorted(([a], [b]) => (a < b ? -1 : a > b ? 1 : 0))
      .map(([key, member]) => `${JSON.stringify(key)}:${canonicalJson(member as Json)}`);
    return `{${members.join(",")}}`;
  }
  return JSON.stringify(value);
}

/** The sha256, in hex, of text (as UTF-8) or bytes. */
export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The hash, in hex, of a file's content, read as a stream. */
export async function digestFile(path: string, algorithm: "sha256" | "sha512" = "sha256"): Promise<string> {
  const hash = createHash(algorithm);
  for await (const chunk of createReadStream(path, { highWaterMark: 1 << 20 })) hash.update(chunk as Buffer);
  return hash.digest("hex");
}
