import { mkdir, readdir, readFile, stat, writeFile } from "node:fs/promises";
import { join } from "node:path";
import * as fc from "fast-check";
import { describe, expect, test } from "vitest";
import { retarget, retargetDpkg } from "../../src/rootfs/retarget.ts";
import { scratchDir } from "../scratch.ts";

const names = fc.constantFrom("amd64" as const, "arm64" as const);
/** Bytes in which neither name can begin. */
const noise = fc
  .uint8Array({ maxLength: 40 })
  .map((bytes) => Buffer.from(bytes.map((byte) => (byte === 0x61 ? 0 : byte))));

describe("a program for another architecture", () => {
  test("differs in its one constant and nowhere else", () => {
    fc.assert(
      fc.property(noise, noise, names, names, (before, after, from, to) => {
        const binary = Buffer.concat([before, Buffer.from(`\0${from}\0`), after]);
        const expected = Buffer.concat([before, Buffer.from(`\0${to}\0`), after]);
        const original = Buffer.from(binary);
        expect(retarget(binary, from, to)).toEqual(expected);
        expect(binary).toEqual(original);
      }),
    );
  });

  test("is none when the constant stands there twice, or never", () => {
    fc.assert(
      fc.property(noise, noise, noise, (a, b, c) => {
        const constant = Buffer.from("\0amd64\0");
        expect(retarget(Buffer.concat([a, b, c]), "amd64", "arm64")).toBeUndefined();
        expect(retarget(Buffer.concat([a, constant, b, constant, c]), "amd64", "arm64")).toBeUndefined();
      }),
    );
  });

  test.each(["\0amd64\0amd64\0", "amd64\0", "\0amd64", "\0amd64-linux\0", "\0kfreebsd-amd64\0"])(
    "is none for %j: the constant is a whole string, alone",
    (text) => expect(retarget(Buffer.from(text), "amd64", "arm64")).toBeUndefined(),
  );

  test("keeps other strings that hold the name", () => {
    const text = "\0linux-amd64\0amd64\0amd64-elf\0";
    expect(retarget(Buffer.from(text), "amd64", "arm64")?.toString()).toBe("\0linux-amd64\0arm64\0amd64-elf\0");
  });
});

test("only programs that have the constant get a copy, which can be executed", async () => {
  const tree = scratchDir("tree-");
  const into = scratchDir("retargeted-");
  await mkdir(join(tree, "usr/bin"), { recursive: true });
  await writeFile(join(tree, "usr/bin/dpkg"), "ELF\0amd64\0more");
  await writeFile(join(tree, "usr/bin/dpkg-deb"), "ELF without it");
  await retargetDpkg(tree, into, "amd64", "arm64");
  expect(await readdir(join(into, "usr/bin"))).toEqual(["dpkg"]);
  expect(await readFile(join(into, "usr/bin/dpkg"), "utf8")).toBe("ELF\0arm64\0more");
  expect((await stat(join(into, "usr/bin/dpkg"))).mode & 0o111).not.toBe(0);
});
