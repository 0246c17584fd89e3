import { copyFileSync, mkdirSync, symlinkSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { execa } from "execa";
import { expect, test } from "vitest";
import { findProgram } from "../../src/core/programs.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";

/** Runs scripts/setup of an rtkit that has nothing else, as an ordinary user of a machine without sudo. */
async function setUp(
  programs: Readonly<Record<string, string>>,
  ...words: readonly string[]
): Promise<{ status: number | undefined; said: string }> {
  const root = scratchDir("rtkit-setup-");
  const bin = join(root, "bin");
  mkdirSync(join(root, "scripts"));
  mkdirSync(bin);
  copyFileSync(join(rtkitRoot, "scripts", "setup"), join(root, "scripts", "setup"));
  for (const name of ["awk", "cat", "dirname", "grep"]) symlinkSync(findProgram(name) ?? "", join(bin, name));
  const user = 'case $1 in -u) echo 54321 ;; -un) echo "nobody we know" ;; esac';
  for (const [name, script] of Object.entries({ id: user, dpkg: "echo amd64", cmp: "exit 0", ...programs })) {
    writeFileSync(join(bin, name), `#!/bin/sh\n${script}\n`, { mode: 0o755 });
  }
  const { exitCode, stderr } = await execa("/bin/sh", [join(root, "scripts", "setup"), ...words], {
    env: { PATH: bin },
    extendEnv: false,
    reject: false,
  });
  return { status: exitCode, said: stderr };
}

test("without root and sudo, setup says which packages root has to install", async () => {
  const { status, said } = await setUp({ "dpkg-query": 'case $* in *" qemu-utils") exit 1 ;; *) echo "ii " ;; esac' });
  expect(status).toBe(1);
  expect(said).toContain("as root run: apt-get install --no-install-recommends qemu-utils");
});

test("what only tests call is installed for them alone", async () => {
  const dpkg = { "dpkg-query": 'case $* in *" chromium" | *" gcc") exit 1 ;; *) echo "ii " ;; esac' };
  expect((await setUp(dpkg)).said).toMatch(/apt-get install --no-install-recommends gcc$/m);
  expect((await setUp(dpkg, "--tests")).said).toMatch(/apt-get install --no-install-recommends gcc chromium$/m);
});

test("without root and sudo, setup says which ids root has to give, and they are nobody else's", async () => {
  const { status, said } = await setUp({ "dpkg-query": 'echo "ii "' });
  expect(status).toBe(1);
  const [, from = "", to = ""] = /as root run: usermod --add-subuids (\d+)-(\d+) --add-subgids \1-\2 /.exec(said) ?? [];
  expect(Number(to) - Number(from)).toBe(65_535);
  expect(Number(from)).toBeGreaterThanOrEqual(100_000);
});
