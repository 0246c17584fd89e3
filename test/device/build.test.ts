import { execa } from "execa";
import { cpSync, mkdirSync, readFileSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { scratchDir } from "../scratch.ts";

const programs = ["rt-launch", "librtnode.so", "rtnode.node", "rtnodectl"];
const architectures = ["arm64", "amd64"] as const;
/** e_machine of elf(5): EM_AARCH64, EM_X86_64. */
const machines = { arm64: 183, amd64: 62 };

/** A copy of the sources in a folder of its own, so that no path can be the same. */
function copySources(): string {
  const root = scratchDir("device-build-");
  for (const path of ["src/device", "src/sdk/typescript", "package.json"]) {
    mkdirSync(join(root, path, ".."), { recursive: true });
    cpSync(join(rtkitRoot, path), join(root, path), { recursive: true });
  }
  symlinkSync(join(rtkitRoot, "node_modules"), join(root, "node_modules"));
  return root;
}

async function make(root: string, architecture: string, ...words: string[]): Promise<string> {
  const { stdout } = await execa("make", ["-C", join(root, "src", "device"), `ARCH=${architecture}`, ...words]);
  return stdout;
}

describe.each(architectures)("%s", (architecture) => {
  const root = copySources();
  const out = join(root, "build", "device", architecture);
  beforeAll(() => make(root, architecture));

  test("programs of that architecture, stripped; the launcher is static", () => {
    for (const name of programs.slice(0, 3)) {
      const elf = readFileSync(join(out, name));
      expect(elf.readUInt16LE(18)).toBe(machines[architecture]);
      expect(elf.includes(".symtab")).toBe(false);
    }
    expect(readFileSync(join(out, "rt-launch")).includes("/lib/ld-linux")).toBe(false);
    expect(statSync(join(out, "rtnodectl")).mode & 0o777).toBe(0o755);
  });

  test("the same bytes from another folder into another folder", async () => {
    const other = copySources();
    const elsewhere = join(other, "elsewhere");
    await make(other, architecture, `OUT=${elsewhere}`);
    for (const name of programs) {
      expect(sha256(readFileSync(join(elsewhere, name))), name).toBe(sha256(readFileSync(join(out, name))));
    }
  });

  test("a second build does nothing, a changed header rebuilds what reads it", async () => {
    expect(await make(root, architecture)).toMatch(/Nothing to be done/);
    const later = new Date(Date.now() + 10_000);
    utimesSync(join(root, "src", "device", "rtnode.h"), later, later);
    const rebuilt = await make(root, architecture, "--dry-run");
    for (const name of ["loop.pic.o", "librtnode.so", "rtnode.node"]) expect(rebuilt).toContain(name);
    expect(rebuilt).not.toContain("options.c");
  });
});

test("another architecture is refused", async () => {
  await expect(make(rtkitRoot, "mips")).rejects.toThrow(/ARCH is arm64 or amd64, not 'mips'/);
});
