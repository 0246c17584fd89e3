import * as fc from "fast-check";
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { parseElf } from "../../src/bundle/elf.ts";
import { executableErrors } from "../../src/bundle/native.ts";
import { RtkitError } from "../../src/core/errors.ts";
import { build, mistakes, nodeOf, projectOf, scanAt, temporaryFolder, writeFiles } from "./robot.ts";
import { elf } from "./elf-file.ts";
import { scanNode } from "../../src/bundle/scan.ts";
import { hostTools } from "./robot.ts";

describe("parseElf", () => {
  test("reads back what a header says", () => {
    fc.assert(
      fc.property(
        fc.constantFrom(2, 3, 1, 4),
        fc.integer({ min: 0, max: 0xffff }),
        fc.option(fc.stringMatching(/^\/[a-z0-9./-]{1,40}$/)),
        fc.array(fc.stringMatching(/^lib[a-z0-9.]{1,20}$/), { maxLength: 4 }),
        (type, machine, interpreter, needed) => {
          const header = parseElf(elf({ type, machine, interpreter, needed }), "f");
          expect(header).toEqual({ bits: 64, endianness: "little", type, machine, interpreter, needed });
        },
      ),
    );
  });

  test("this Node is an executable for this machine", async () => {
    const header = parseElf(await readFile(process.execPath), "node");
    const machine = { x64: 62, arm64: 183 }[process.arch as string];
    expect(header).toMatchObject({ bits: 64, endianness: "little", machine });
    expect(header.needed).toContain("libc.so.6");
  });

  test("random bytes, and headers cut off or damaged anywhere, give a result or an RtkitError", () => {
    const whole = elf({ type: 3, machine: 62, interpreter: "/lib64/ld-linux-x86-64.so.2", needed: ["libc.so.6"] });
    const damaged = fc
      .tuple(fc.nat(whole.length), fc.array(fc.tuple(fc.nat(whole.length - 1), fc.nat(255)), { maxLength: 6 }))
      .map(([length, changes]) => {
        const bytes = Uint8Array.from(whole);
        for (const [at, value] of changes) bytes[at] = value;
        return bytes.subarray(0, length);
      });
    fc.assert(
      fc.property(fc.oneof(fc.uint8Array({ maxLength: 300 }), damaged), (bytes) => {
        try {
          expect(parseElf(bytes, "f").machine).toBeGreaterThanOrEqual(0);
        } catch (error) {
          expect(error).toBeInstanceOf(RtkitError);
          expect(error).toMatchObject({ code: "RTK_BUNDLE_NOT_ELF", exitStatus: 2 });
        }
      }),
      { numRuns: 1000 },
    );
  });
});

describe("what a board can run", () => {
  const header = {
    bits: 64,
    endianness: "little",
    machine: 183,
    type: 3,
    interpreter: "/lib/ld-linux-aarch64.so.1",
    needed: [],
  } as const;
  const board = { name: "rpi4", architecture: "arm64" } as const;
  const messages = (changes: Partial<Parameters<typeof executableErrors>[0]>): string[] =>
    executableErrors({ ...header, ...changes }, board, "f").map(({ message }) => message);

  test("its own architecture, dynamic or static", () => {
    expect(messages({})).toEqual([]);
    expect(messages({ type: 2, interpreter: null })).toEqual([]);
    const amd64 = { ...header, machine: 62, interpreter: "/lib64/ld-linux-x86-64.so.2" };
    expect(executableErrors(amd64, { name: "pc", architecture: "amd64" }, "f")).toEqual([]);
  });

  test("not another's, not another C library's, not an object file", () => {
    expect(messages({ machine: 62 })).toEqual([
      "this executable is for amd64 (64 bit, little endian); the board rpi4 is arm64",
    ]);
    expect(messages({ bits: 32, machine: 40 })).toEqual([
      "this executable is for armhf (32 bit, little endian); the board rpi4 is arm64",
    ]);
    expect(messages({ interpreter: "/lib/ld-musl-aarch64.so.1" })).toEqual([
      "this executable asks for the loader /lib/ld-musl-aarch64.so.1; Debian's is /lib/ld-linux-aarch64.so.1: it was built for another C library",
    ]);
    expect(messages({ type: 1 })).toEqual(["this ELF file is no executable (an object file or a core dump)"]);
  });
});

describe("a native node", () => {
  test("is taken as it is, executable", async () => {
    const dir = await temporaryFolder();
    const bytes = elf({ type: 3, machine: 183, interpreter: "/lib/ld-linux-aarch64.so.1" });
    await writeFiles(dir, { motor: bytes });
    const { scanned } = await scanAt(dir, "motor");
    const output = await build(scanned);
    expect(await readFile(join(output.dir, "node.bin"))).toEqual(Buffer.from(bytes));
    expect(scanned.imports).toEqual([]);
  });

  test("has the SDK when it asks for librtnode.so", async () => {
    const dir = await temporaryFolder();
    const arm = { type: 3, machine: 183, interpreter: "/lib/ld-linux-aarch64.so.1" };
    await writeFiles(dir, {
      motor: elf({ ...arm, needed: ["librtnode.so", "libc.so.6"] }),
      lamp: elf({ ...arm, needed: ["libc.so.6"] }),
    });
    expect((await scanAt(dir, "motor")).scanned.sdk).toBe(true);
    expect((await scanAt(dir, "lamp")).scanned.sdk).toBe(false);
  });

  test("a script or another machine's executable is refused", async () => {
    expect(await mistakes({ run: "#!/bin/sh\necho hello\n" }, "run")).toEqual([
      "RTK_BUNDLE_NOT_ELF run this is a script (#!/bin/sh), not an executable",
    ]);
    expect(await mistakes({ run: "hello" }, "run")).toEqual([
      "RTK_BUNDLE_NOT_ELF run this is not an executable (no ELF file)",
    ]);
    const dir = await temporaryFolder();
    await writeFiles(dir, { run: elf({ type: 3, machine: 183, interpreter: null }) });
    const node = nodeOf(dir, "run");
    const options = { tools: hostTools, signal: new AbortController().signal, sdk: { python: dir, typescript: dir } };
    await expect(scanNode(projectOf(dir, [node], "amd64"), node, options)).rejects.toMatchObject({
      code: "RTK_BUNDLE_EXECUTABLE",
      exitStatus: 2,
    });
  });
});
