import { mkdir, readdir, readFile, writeFile } from "node:fs/promises";
import { dirname, join } from "node:path";
import { beforeEach, expect, test } from "vitest";
import { exec } from "../../src/core/exec.ts";
import { maintainerScript } from "../../src/kernel/deb.ts";
import { scratchDir } from "../scratch.ts";

const release = "6.12.118-rtkit";

let root: string;
beforeEach(async () => {
  root = scratchDir("board-");
  for (const [path, content] of [
    [`boot/vmlinuz-${release}`, "new kernel"],
    [`usr/lib/linux-image-${release}/broadcom/bcm2711-rpi-4-b.dtb`, "new tree"],
    [`usr/lib/linux-image-${release}/broadcom/bcm2837-rpi-3-b.dtb`, "a tree of another board"],
    ["boot/firmware/vmlinuz", "old kernel"],
    ["boot/firmware/bcm2711-rpi-4-b.dtb", "old tree"],
  ] as const) {
    await mkdir(dirname(join(root, path)), { recursive: true });
    await writeFile(join(root, path), content);
  }
});

const boot = async (name: string): Promise<string> => readFile(join(root, "boot/firmware", name), "utf8");
const postinst = async (word: string): Promise<unknown> =>
  exec("sh", ["-c", maintainerScript("postinst", release, root), "postinst", word]);

test("in an image without an initramfs the package's kernel and device trees take the old ones' place", async () => {
  await postinst("configure");
  expect(await boot("vmlinuz")).toBe("new kernel");
  expect(await boot("bcm2711-rpi-4-b.dtb")).toBe("new tree");
  expect((await readdir(join(root, "boot/firmware"))).toSorted()).toEqual(["bcm2711-rpi-4-b.dtb", "vmlinuz"]);
});

test("overlays come along where the boot partition has some, those that are new too", async () => {
  const overlays = join(root, `usr/lib/linux-image-${release}/overlays`);
  await mkdir(overlays);
  await writeFile(join(overlays, "imx219.dtbo"), "new overlay");
  await postinst("configure");
  expect(await readdir(join(root, "boot/firmware"))).not.toContain("overlays");
  await mkdir(join(root, "boot/firmware/overlays"));
  await postinst("configure");
  expect(await boot("overlays/imx219.dtbo")).toBe("new overlay");
});

test.each(["triggered", "abort-upgrade"])("only when the package is configured, not when it is %s", async (word) => {
  await postinst(word);
  expect(await boot("vmlinuz")).toBe("old kernel");
});

test("where there is an initramfs, Debian's hooks do it", async () => {
  await writeFile(join(root, "boot/firmware/initrd.img"), "initramfs");
  await postinst("configure");
  expect(await boot("vmlinuz")).toBe("old kernel");
});

test("other scripts write nothing", () => {
  for (const script of ["preinst", "prerm", "postrm"]) {
    expect(maintainerScript(script, release)).not.toContain("/boot/firmware");
    expect(maintainerScript(script, release)).toContain(`/etc/kernel/${script}.d`);
  }
});
