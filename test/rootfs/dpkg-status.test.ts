import { describe, expect, test } from "vitest";
import { parseStatus } from "../../src/rootfs/dpkg-status.ts";

/** A stanza of an installed package. */
const stanza = (name: string, ...fields: string[]): string =>
  [`Package: ${name}`, "Status: install ok installed", "Version: 1", "Architecture: arm64", ...fields].join("\n");

const parse = (...stanzas: string[]): ReturnType<typeof parseStatus> => parseStatus(`${stanzas.join("\n\n")}\n`);

/** What the first of the packages depends on. */
const depends = (fields: string[], ...others: string[]): readonly string[] | undefined =>
  parse(stanza("a", ...fields), ...others).find(({ name }) => name === "a")?.depends;

describe("dpkg's status file", () => {
  test("installed packages, sorted; those that left configuration behind are none", () => {
    const removed = stanza("gone").replace("install ok installed", "deinstall ok config-files");
    expect(parse(stanza("b"), removed, stanza("a")).map(({ name }) => name)).toEqual(["a", "b"]);
  });

  test("the source package, where its name or version is another", () => {
    const [libc6, zlib1g] = parse(stanza("zlib1g", "Source: zlib (1:1.3)"), stanza("libc6", "Source: glibc"));
    expect(zlib1g).toMatchObject({ source: "zlib", sourceVersion: "1:1.3" });
    expect(libc6).toMatchObject({ source: "glibc" });
    expect(libc6).not.toHaveProperty("sourceVersion");
  });

  test("dependencies, without versions, architectures and what is not installed", () => {
    const fields = ["Pre-Depends: c (>= 2~)", "Depends: b:any, c,\n d [arm64],\n e"];
    expect(depends(fields, stanza("b"), stanza("c"), stanza("d"))).toEqual(["b", "c", "d"]);
  });

  test("of alternatives the first that is installed", () => {
    expect(depends(["Depends: x | c | b"], stanza("b"), stanza("c"))).toEqual(["c"]);
  });

  test("a virtual package stands for those that provide it", () => {
    const gawk = stanza("gawk", "Provides: awk");
    const mawk = stanza("mawk", "Provides: awk (= 1), nothing");
    expect(depends(["Depends: awk"], gawk, mawk)).toEqual(["gawk", "mawk"]);
    expect(depends(["Depends: awk | gawk"], gawk, mawk)).toEqual(["gawk"]);
  });

  test("nothing depends on itself", () => {
    expect(depends(["Provides: mta", "Depends: mta, a"])).toEqual([]);
  });
});
