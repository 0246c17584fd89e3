import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import {
  chooseMirror,
  DEFAULT_MIRROR,
  parseDeb822Sources,
  parseMirror,
  parseSourcesList,
  pickHostMirror,
  redactMirror,
} from "../../src/rootfs/mirror.ts";

const uri = fc.constantFrom(
  "http://m.example/debian",
  "https://a.example/x/debian/",
  "http://s.example/debian-security",
);
const word = fc.stringMatching(/^[a-z][a-z0-9-]{0,8}$/);

describe("parsers", () => {
  test("what a one-line source says comes out", () => {
    fc.assert(
      fc.property(uri, word, fc.array(word, { minLength: 1 }), fc.boolean(), (address, suite, components, options) => {
        const line = `deb ${options ? "[arch=amd64 signed-by=/x] " : ""}${address} ${suite} ${components.join(" ")}`;
        const text = `# a comment\n\ndeb-src http://x y z\n${line} # why\n#${line}\n`;
        expect(parseSourcesList(text)).toEqual([{ uri: address, suites: [suite], components }]);
      }),
    );
  });

  test("what a deb822 stanza says comes out, folded or not", () => {
    fc.assert(
      fc.property(
        uri,
        fc.array(word, { minLength: 1 }),
        fc.array(word, { minLength: 1 }),
        fc.boolean(),
        (address, suites, components, folded) => {
          const list = folded ? `\n ${suites.join("\n# between\n ")}` : ` ${suites.join(" ")}`;
          const text = `# first\nTypes: deb deb-src\nURIs: ${address}\nSuites:${list}\nComponents: ${components.join(" ")}\n\nTypes: deb-src\nURIs: http://no\n\nEnabled: no\nTypes: deb\nURIs: http://no\n`;
          expect(parseDeb822Sources(text)).toEqual([{ uri: address, suites, components }]);
        },
      ),
    );
  });

  test("any text is survived", () => {
    fc.assert(
      fc.property(fc.string({ unit: "binary" }), (text) => {
        for (const source of [...parseSourcesList(text), ...parseDeb822Sources(text)]) expect(source.uri).not.toBe("");
      }),
    );
  });
});

describe("parseMirror", () => {
  test.each([
    ["http://m.example/debian/", "http://m.example/debian-security"],
    [
      "https://snapshot.example/archive/debian/20260101T000000Z",
      "https://snapshot.example/archive/debian/debian-security",
    ],
    ["http://m.example:3142", "http://m.example:3142/debian-security"],
  ])("%s", (address, security) => expect(parseMirror(address, "--mirror").security).toBe(security));

  test.each(["", "ftp.debian.org", "http://", "http://a b", "http://a [trusted=yes]"])("%j is no mirror", (address) => {
    expect(() => parseMirror(address, "--mirror")).toThrow(
      expect.objectContaining({ code: "RTK_MIRROR_INVALID", exitStatus: 2 }),
    );
  });
});

describe("pickHostMirror", () => {
  test("Debian's archive and security, not another vendor's repository", () => {
    const mirror = pickHostMirror([
      { uri: "https://packages.example/debian", suites: ["cloud-sdk-bookworm"], components: ["main"] },
      { uri: "http://sec.example/debian-security", suites: ["bookworm-security"], components: ["main"] },
      { uri: "http://m.example/debian/", suites: ["bookworm", "bookworm-updates"], components: ["main"] },
    ]);
    expect(mirror).toMatchObject({
      archive: "http://m.example/debian",
      security: "http://sec.example/debian-security",
    });
  });

  test("security beside the archive when no source names it", () => {
    const sources = parseSourcesList("deb http://m.example/debian trixie main");
    expect(pickHostMirror(sources)?.security).toBe("http://m.example/debian-security");
  });

  test.each(["deb cdrom:[x] bookworm main", "deb http://x/ubuntu noble main", "deb http://x/debian noble main"])(
    "none in: %s",
    (text) => {
      expect(pickHostMirror(parseSourcesList(text))).toBeUndefined();
    },
  );
});

describe("chooseMirror", () => {
  let root = "";
  beforeEach(async () => {
    root = await mkdtemp(join(tmpdir(), "mirror-"));
    await mkdir(join(root, "etc/apt/sources.list.d"), { recursive: true });
    await writeFile(join(root, "etc/apt/sources.list"), "deb http://host.example/debian bookworm main\n");
  });
  afterEach(async () => rm(root, { recursive: true }));

  test("the option, the variable, the Debian host's own, the default: in this order", async () => {
    const env = { RTKIT_DEBIAN_MIRROR: "http://env.example/debian" };
    expect(await chooseMirror("http://opt.example/debian", env, root)).toMatchObject({
      archive: "http://opt.example/debian",
    });
    expect(await chooseMirror(undefined, env, root)).toMatchObject({ archive: "http://env.example/debian" });
    await writeFile(join(root, "etc/os-release"), "NAME=Debian\nID=debian\n");
    expect(await chooseMirror(undefined, {}, root)).toMatchObject({ archive: "http://host.example/debian" });
    await writeFile(join(root, "etc/os-release"), "ID=ubuntu\nID_LIKE=debian\n");
    expect(await chooseMirror(undefined, { RTKIT_DEBIAN_MIRROR: "" }, root)).toEqual(DEFAULT_MIRROR);
  });

  test("deb822 files of the host are read", async () => {
    await writeFile(join(root, "etc/os-release"), "ID=debian\n");
    await writeFile(join(root, "etc/apt/sources.list"), "");
    await writeFile(
      join(root, "etc/apt/sources.list.d/debian.sources"),
      "Types: deb\nURIs: http://h.example/debian\nSuites: trixie\nComponents: main\n",
    );
    expect(await chooseMirror(undefined, {}, root)).toMatchObject({ archive: "http://h.example/debian" });
  });
});

test("no name of the mirror is left after redaction", () => {
  const mirror = parseMirror("http://secret.example:8080/debian", "--mirror");
  const text = "Err:1 http://secret.example:8080/debian-security trixie\nCould not connect to secret.example:8080";
  expect(redactMirror(text, mirror)).not.toContain("secret");
});
