import { describe, expect, test } from "vitest";
import { explainApt } from "../../src/rootfs/apt-errors.ts";
import { parseMirror } from "../../src/rootfs/mirror.ts";

const mirror = parseMirror("http://user:word@secret.example:8080/debian", "RTKIT_DEBIAN_MIRROR");

describe("what apt's complaints mean", () => {
  test("unknown packages, all of them, as the user's mistake", () => {
    const error = explainApt(
      [
        "apt-get failed (exit status 100):",
        "E: Unable to locate package python3-nunpy",
        "E: Unable to locate package foo",
        "E: Package 'multipathd' has no installation candidate",
        "E: Unable to locate package lib.so+x",
        "E: Couldn't find any package by glob 'lib.so+x'",
        "E: Unable to locate package foo",
      ],
      mirror,
    );
    expect(error).toMatchObject({
      code: "RTK_PACKAGE_UNKNOWN",
      message: "Debian has no package foo, lib.so+x, multipathd, python3-nunpy",
      exitStatus: 2,
    });
    expect(error.hint).toContain("image.packages");
  });

  // Each as apt prints it.
  test.each([
    [
      "RTK_MIRROR_UNTRUSTED",
      "a signature that does not fit",
      [
        "Err:1 http://secret.example:8080/debian trixie InRelease",
        "  The following signatures were invalid: BADSIG 6ED0E7B82643E131 Debian Archive Automatic Signing Key",
        "W: GPG error: http://secret.example:8080/debian trixie InRelease: The following signatures were invalid: BADSIG 6ED0E7B82643E131",
        "E: The repository 'http://secret.example:8080/debian trixie InRelease' is not signed.",
      ],
    ],
    [
      "RTK_MIRROR_UNTRUSTED",
      "a signature that does not fit, by sqv",
      [
        "W: OpenPGP signature verification failed: http://secret.example:8080/debian trixie InRelease: Sub-process /usr/bin/sqv returned an error code (1), error message is: Bad signature",
        "E: The repository 'http://secret.example:8080/debian trixie InRelease' is not signed.",
      ],
    ],
    [
      "RTK_MIRROR_UNTRUSTED",
      "an unknown key",
      [
        "W: GPG error: http://secret.example:8080/debian trixie InRelease: The following signatures couldn't be verified because the public key is not available: NO_PUBKEY 6ED0E7B82643E131",
      ],
    ],
    [
      "RTK_MIRROR_UNTRUSTED",
      "a list that was changed",
      [
        "E: Failed to fetch http://secret.example:8080/debian/dists/trixie/main/binary-arm64/Packages.xz  Hash Sum mismatch",
        "   Hashes of expected file:",
      ],
    ],
    [
      "RTK_MIRROR_UNTRUSTED",
      "a file that is longer than it should be",
      [
        "E: Failed to fetch http://secret.example:8080/debian/pool/main/h/htop.deb  File has unexpected size (8 != 7). Mirror sync in progress?",
      ],
    ],
    [
      "RTK_MIRROR_UNREACHABLE",
      "a name that nobody knows",
      [
        "Err:1 http://secret.example:8080/debian trixie InRelease",
        "  Could not resolve 'secret.example'",
        "E: Failed to fetch http://secret.example:8080/debian/dists/trixie/InRelease  Could not resolve 'secret.example'",
      ],
    ],
    [
      "RTK_MIRROR_UNREACHABLE",
      "nobody listens",
      [
        "E: Failed to fetch http://secret.example:8080/debian/x  Could not connect to secret.example:8080. - connect (111: Connection refused)",
      ],
    ],
    [
      "RTK_MIRROR_UNREACHABLE",
      "a file that is not there",
      ["E: Failed to fetch http://secret.example:8080/debian/x  404  Not Found [IP: 192.0.2.1 8080]"],
    ],
    [
      "RTK_MIRROR_UNREACHABLE",
      "an address without an archive",
      ["E: The repository 'http://secret.example:8080/debian trixie Release' does not have a Release file."],
    ],
    [
      "RTK_MIRROR_UNREACHABLE",
      "an archive that stands still",
      [
        "E: Release file for http://secret.example:8080/debian/dists/trixie/InRelease is expired (invalid since 30d 1h). Updates for this repository will not be applied.",
      ],
    ],
    [
      "RTK_PACKAGES_CONFLICT",
      "packages that exclude each other",
      [
        "The following packages have unmet dependencies:",
        " systemd-sysv : Conflicts: sysvinit-core",
        "E: Error, pkgProblemResolver::Resolve generated breaks, this may be caused by held packages.",
      ],
    ],
    ["RTK_PACKAGES_CONFLICT", "anything else", [...Array.from({ length: 30 }, (_, n) => `line ${n}`), "E: unheard of"]],
  ])("%s: %s", (code, _, output) => {
    const error = explainApt(output, mirror);
    expect(error).toMatchObject({ code, exitStatus: 1 });
    const said = `${error.message}\n${error.hint}`;
    expect(said).not.toMatch(/secret|example:8080|user:word|192\.0\.2/);
    if (code === "RTK_PACKAGES_CONFLICT") {
      expect(error.message).toContain(output.at(-1));
      expect(error.message).not.toContain("line 3\n");
    } else {
      expect(error.message).not.toContain("\n");
      expect(error.message).not.toMatch(/(?:E|W|Err): /);
      expect(error.hint).toContain("RTKIT_DEBIAN_MIRROR");
    }
  });
});
