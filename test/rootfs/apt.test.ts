import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { aptConf, aptEnv, aptSources, KEYRING, parseUriLine } from "../../src/rootfs/apt.ts";
import type { DebianMirror } from "../../src/rootfs/mirror.ts";
import { scratchDir } from "../scratch.ts";

const sibling: DebianMirror = {
  archive: "http://mirror.example/debian",
  security: "http://mirror.example/debian-security",
  origin: "--mirror",
};

describe("a line of apt-get --print-uris", () => {
  test.each([
    [
      "'http://mirror.example/debian/pool/main/h/htop/htop_3.4.1-5_arm64.deb' htop_3.4.1-5_arm64.deb 150000 SHA256:00",
      { name: "htop", version: "3.4.1-5", archive: "archive", path: "pool/main/h/htop/htop_3.4.1-5_arm64.deb" },
    ],
    [
      "'http://mirror.example/debian/pool/main/g/gcc-14/libstdc%2b%2b6_14.2.0-19_arm64.deb' libstdc++6_14.2.0-19_arm64.deb 7 SHA256:00",
      { name: "libstdc++6", version: "14.2.0-19", path: "pool/main/g/gcc-14/libstdc++6_14.2.0-19_arm64.deb" },
    ],
    [
      "'http://mirror.example/debian/pool/main/r/x/raspi-firmware_1.20250430%2bds-3%7edeb13u1_all.deb' raspi-firmware_1%3a1.20250430+ds-3~deb13u1_all.deb 7",
      {
        name: "raspi-firmware",
        version: "1:1.20250430+ds-3~deb13u1",
        path: "pool/main/r/x/raspi-firmware_1.20250430+ds-3~deb13u1_all.deb",
      },
    ],
    [
      "'http://mirror.example/debian-security/pool/updates/main/o/openssl/openssl_3.5.1-1_arm64.deb' openssl_3.5.1-1_arm64.deb 7",
      { name: "openssl", archive: "security", path: "pool/updates/main/o/openssl/openssl_3.5.1-1_arm64.deb" },
    ],
  ])("%s", (line, expected) => expect(parseUriLine(line, sibling)).toMatchObject(expected));

  test.each([
    "",
    "NOTE: This is only a simulation!",
    "'http://mirror.example/debian/dists/trixie/InRelease' x_InRelease 0",
    "'http://other.example/debian/pool/main/h/htop/htop_1_arm64.deb' htop_1_arm64.deb 7",
    "'http://mirror.example/debian-ports/pool/main/h/htop/htop_1_arm64.deb' htop_1_arm64.deb 7",
  ])("%s is none", (line) => expect(parseUriLine(line, sibling)).toBeUndefined());

  test.each([
    ["beside it", "http://mirror.example/debian-security"],
    ["below it", "http://mirror.example/debian/security"],
    ["below its pool", "http://mirror.example/debian/pool/security"],
    ["above it", "http://mirror.example"],
    ["elsewhere", "https://security.example/debian-security"],
  ])("the security archive may be %s", (_, security) => {
    const mirror = { ...sibling, security };
    for (const archive of ["archive", "security"] as const) {
      const line = `'${mirror[archive]}/pool/main/h/htop_1_arm64.deb' htop_1_arm64.deb 7`;
      expect(parseUriLine(line, mirror)).toMatchObject({ archive, path: "pool/main/h/htop_1_arm64.deb" });
    }
  });
});

test("sources name three suites, each signed by Debian's keys and no others", () => {
  const lines = aptSources("trixie", sibling).trimEnd().split("\n");
  expect(lines.map((line) => line.split(" ").slice(2, 4))).toEqual([
    [sibling.archive, "trixie"],
    [sibling.archive, "trixie-updates"],
    [sibling.security, "trixie-security"],
  ]);
  expect(lines.every((line) => line.startsWith(`deb [signed-by=${KEYRING}] `))).toBe(true);
});

describe("apt's configuration", () => {
  const folder = scratchDir("apt-conf-");

  /** What apt itself reads: `apt-config shell NAME KEY` prints NAME='VALUE' for a shell. */
  async function readByApt(value: string): Promise<string> {
    const conf = join(folder, "apt.conf");
    await writeFile(conf, aptConf({ "RTKIT::Test": value, "RTKIT::Next": "after" }));
    const env = aptEnv(conf);
    const { stdout } = await exec("apt-config", ["shell", "value", "RTKIT::Test", "next", "RTKIT::Next"], { env });
    const printed = await exec("sh", ["-c", `${stdout}\nprintf '%s|%s' "$value" "$next"`]);
    return printed.stdout;
  }

  test.each([
    "/home/ada/.cache/rtkit",
    "/with a blank/x",
    '/with "quotes"/x',
    "/with;semicolon/{brace}/x",
    "/with//two/slashes",
    "/with#hash/and%20percent/100%",
    "/with\\backslash/and:colon",
    "/Ünïcode/→",
    "false",
  ])("%s is what apt reads", async (value) => expect(await readByApt(value)).toBe(`${value}|after`));

  test("any path is what apt reads", async () => {
    // Shells drop line feeds at an end, and apt-config quotes no apostrophes: neither is our text's doing.
    const path = fc.string({ unit: "grapheme", minLength: 1 }).filter((text) => !/['\p{Cc}\s]/u.test(text));
    await fc.assert(
      fc.asyncProperty(path, async (text) => {
        expect(await readByApt(`/${text}`)).toBe(`/${text}|after`);
      }),
      { numRuns: 20 },
    );
  });
});
