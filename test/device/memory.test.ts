import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { buildDevicePrograms, deviceDir, launch, run } from "./support.ts";
import { scratchDir } from "../scratch.ts";

/* What would end in a program that runs without its lock is refused before it starts. */

beforeAll(buildDevicePrograms);

test("a script that names itself as its interpreter", async () => {
  const file = join(scratchDir("memory-"), "program");
  writeFileSync(file, `#!${file}\n`, { mode: 0o755 });
  expect(await launch("--lock-memory", file)).toMatchObject({
    status: 125,
    stderr: `rt-launch: ${file}: memory cannot be locked: Too many levels of symbolic links\n`,
  });
});

test("a program of another architecture, which an emulator would run", async () => {
  const file = join(scratchDir("memory-"), "program");
  // ELF, 64 bit, little-endian, ET_EXEC, EM_RISCV (243).
  const header = Buffer.alloc(64);
  header.write("7f454c46020101", "hex");
  header.writeUInt16LE(2, 16);
  header.writeUInt16LE(243, 18);
  header.writeUInt16LE(56, 54);
  writeFileSync(file, header, { mode: 0o755 });
  expect(await launch("--lock-memory", file)).toMatchObject({
    status: 125,
    stderr: `rt-launch: ${file}: memory cannot be locked: it is no 64-bit ELF program of this architecture\n`,
  });
});

// ld.so(8) says that it ignores such a library, and starts the program.
test.each(["/bin/sh", "/etc/passwd"])("a library that is none: %s", async (library) => {
  expect(await launch("--lock-memory", "--library", library, "/bin/echo", "started")).toMatchObject({
    status: 125,
    stdout: "",
    stderr: `rt-launch: ${library}: memory cannot be locked: it is no library of this architecture\n`,
  });
});

test.skipIf(process.getuid?.() !== 0)("a library on a file system that is mounted noexec", async () => {
  const dir = scratchDir("memory-");
  const script = [
    'mount -t tmpfs -o noexec none "$1"',
    'cp "$2/librtnode.so" "$1"',
    'exec "$2/rt-launch" --lock-memory --library "$1/librtnode.so" true',
  ];
  const words = ["unshare", "--mount", "sh", "-c", script.join(" && "), "sh", dir, deviceDir];
  expect(await run(words)).toMatchObject({
    status: 125,
    stderr: `rt-launch: ${dir}/librtnode.so: memory cannot be locked: its file system is mounted noexec\n`,
  });
});
