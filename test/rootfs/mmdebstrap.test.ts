import { describe, expect, test } from "vitest";
import { parseMirror } from "../../src/rootfs/mirror.ts";
import { explain } from "../../src/rootfs/mmdebstrap.ts";

const mirror = parseMirror("http://secret.example/debian", "RTKIT_DEBIAN_MIRROR");

describe("what a failed mmdebstrap means", () => {
  test("unknown packages, all of them, as the user's mistake", () => {
    const error = explain(
      [
        "E: Unable to locate package python3-nunpy",
        "E: Unable to locate package foo",
        "E: Package 'multipathd' has no installation candidate",
        "E: Unable to locate package foo",
      ],
      mirror,
    );
    expect(error).toMatchObject({
      code: "RTK_PACKAGE_UNKNOWN",
      message: "Debian has no package foo, multipathd, python3-nunpy",
      exitStatus: 2,
    });
    expect(error.hint).toContain("image.packages");
  });

  test("a mirror that cannot be reached, told without its name", () => {
    const error = explain(
      [
        "Err:1 http://secret.example/debian trixie InRelease",
        "  Could not resolve 'secret.example'",
        "E: Failed to fetch http://secret.example/debian/x",
      ],
      mirror,
    );
    expect(error).toMatchObject({ code: "RTK_MIRROR_UNREACHABLE", exitStatus: 1 });
    expect(error.message + (error.hint ?? "")).not.toContain("secret");
    expect(error.hint).toContain("RTKIT_DEBIAN_MIRROR");
  });

  test("anything else: the last lines", () => {
    const lines = [...Array.from({ length: 30 }, (_, n) => `line ${n}`), "dpkg: error processing package x"];
    const error = explain(lines, mirror);
    expect(error.code).toBe("RTK_PACKAGES_FAILED");
    expect(error.message).toContain("dpkg: error processing package x");
    expect(error.message).not.toContain("line 3\n");
  });
});
