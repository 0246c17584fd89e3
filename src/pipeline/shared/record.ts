import { createHmac, timingSafeEqual } from "node:crypto";
import { canonicalJson } from "../digest.ts";

/** What `ac/<key>` says: which output a step has, and which archive in `cas/` holds it. */
export interface SharedRecord {
  /** The digest of the output, see treeDigest in ../entry.ts. */
  readonly digest: string;
  /** `cas/<sha256>`: a tar, compressed with zstd. `unpacked` is the tar's size. */
  readonly archive: { readonly sha256: string; readonly size: number; readonly unpacked: number };
}

/** Counts up when an older reader would go wrong. */
const FORMAT = 1;

const SHA256 = /^[0-9a-f]{64}$/;

/** The text of a record; with a secret it is signed. */
export function printRecord(key: string, { digest, archive }: SharedRecord, secret: string | undefined): string {
  const signed = { format: FORMAT, key, digest, archive };
  const signature = secret === undefined ? undefined : sign(canonicalJson(signed), secret);
  return `${canonicalJson({ ...signed, signature })}\n`;
}

/** Reads a record, or says why it is none for this key. With a secret only what was signed with it is accepted. */
export function parseRecord(text: string, key: string, secret: string | undefined): SharedRecord | string {
  const record = parseJson(text);
  if (record === undefined || record["format"] !== FORMAT)
    return "answered with something that is no record of rtkit's";
  const archive = record["archive"] as Partial<SharedRecord["archive"]> | undefined;
  const { digest } = record;
  const { sha256, size, unpacked } = archive ?? {};
  if (!isSha256(digest) || !isSha256(sha256) || !isSize(size) || !isSize(unpacked)) return "has a damaged record";
  if (record["key"] !== key) return "answered with the record of another step";
  const result: SharedRecord = { digest, archive: { sha256, size, unpacked } };
  if (secret !== undefined) {
    const wanted = sign(canonicalJson({ format: FORMAT, key, ...result }), secret);
    if (!sameText(wanted, record["signature"])) return "has a record that is not signed with RTKIT_CACHE_SECRET";
  }
  return result;
}

function sign(text: string, secret: string): string {
  return createHmac("sha256", secret).update(text).digest("hex");
}

function sameText(wanted: string, given: unknown): boolean {
  return typeof given === "string" && isSha256(given) && timingSafeEqual(Buffer.from(wanted), Buffer.from(given));
}

function parseJson(text: string): Record<string, unknown> | undefined {
  try {
    const value: unknown = JSON.parse(text);
    return typeof value === "object" && value !== null ? (value as Record<string, unknown>) : undefined;
  } catch {
    return undefined;
  }
}

function isSha256(value: unknown): value is string {
  return typeof value === "string" && SHA256.test(value);
}

function isSize(value: unknown): value is number {
  return typeof value === "number" && Number.isSafeInteger(value) && value >= 0;
}
