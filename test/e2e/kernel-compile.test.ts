import { readdir, readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import { execa } from "execa";
import { beforeAll, expect, it } from "vitest";
import { scratchDir } from "../scratch.ts";
import { rtkitResult } from "./cli.ts";
import { kernelProject, SMALLER } from "./kernel-project.ts";

// Debian's kernel, compiled. On two idle cores that takes twelve minutes the first time, then it comes out of the cache;
// kernel-image.test.ts boots it.
const dir = scratchDir("kernel-compile-");
const out = join(dir, "out/virt/kernel");
let release: string;
let deb: string;
beforeAll(async () => {
  await kernelProject(dir, SMALLER);
  const built = await rtkitResult<{ release: string; deb: { path: string } }>(["kernel", "build", "--project", dir]);
  release = built.release;
  deb = built.deb.path;
});

it("leaves an image, its configuration, its release and a Debian package, and no device trees: QEMU makes its own", async () => {
  expect(release).toMatch(/^6\.12\.\d+-rtkit$/);
  expect(await readFile(join(out, "release"), "utf8")).toBe(`${release}\n`);
  expect((await readdir(out)).toSorted()).toEqual(["config", basename(deb), "release", "vmlinuz"]);
});

it("has its configuration inside, in which every option is as the fragments ask", async () => {
  for (const subject of ["config", "vmlinuz"]) {
    const words = ["kernel", "check", join(out, subject), "--project", dir];
    const { options } = await rtkitResult<{ options: { name: string; verdict: string }[] }>(words);
    expect(options.filter(({ verdict }) => verdict !== "satisfied")).toEqual([]);
    expect(options.find(({ name }) => name === "PREEMPT_RT")).toMatchObject({ verdict: "satisfied" });
  }
});

it("has its modules in the package, and what finds them", async () => {
  const { stdout } = await execa("dpkg-deb", ["--contents", deb]);
  expect(stdout).toContain(`./usr/lib/modules/${release}/modules.alias.bin`);
  expect(stdout).toContain(`./usr/lib/modules/${release}/kernel/drivers/net/tun.ko`);
});
