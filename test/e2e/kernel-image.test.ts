import { mkdir, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { execa } from "execa";
import { afterAll, beforeAll, expect, it } from "vitest";
import { scratchDir } from "../scratch.ts";
import { bootBoard, type Built, type RunningBoard } from "./board.ts";
import { rtkitResult } from "./cli.ts";
import { kernelProject, SMALLER } from "./kernel-project.ts";

// An image with Debian's kernel as kernel-compile.test.ts compiles it: here it comes out of the cache.
const dir = scratchDir("kernel-image-");
let built: Built;
let board: RunningBoard;
beforeAll(async () => {
  await kernelProject(dir, { ...SMALLER, overlays: ["./may-install"] });
  const sudoers = join(dir, "may-install/rootfs/etc/sudoers.d");
  await mkdir(sudoers, { recursive: true });
  await writeFile(join(sudoers, "may-install"), "robot ALL=(root) NOPASSWD: ALL\n");
  await writeFile(
    join(dir, "may-install/overlay.yaml"),
    'description: Packages are installed over ssh\npaths:\n  /etc/sudoers.d/may-install: { mode: "0440" }\n',
  );
  built = await rtkitResult<Built>(["build", "--project", dir]);
  board = await bootBoard(dir, join(dir, "virt.yaml"));
});
afterAll(async () => board.stop());

it("has no initramfs", async () => {
  const { boot } = await rtkitResult<{ boot: { files: string[] } }>(["inspect", built.image.path]);
  expect(boot.files.toSorted()).toEqual(["cmdline.txt", "firstboot.txt", "vmlinuz"]);
});

it("boots that kernel, real-time, with every node active", async () => {
  expect(await board.ask("uname -rv")).toMatch(/^6\.12\.\S+-rtkit #1 SMP PREEMPT_RT /);
  expect(await board.ask("systemctl --failed --plain --no-legend")).toBe("");
});

it("loads its modules, and has the configuration it was made with", async () => {
  expect(await board.ask("sudo modprobe tun && cat /proc/modules")).toMatch(/^tun /m);
  expect(await board.ask("zcat /proc/config.gz | cmp - /boot/config-$(uname -r)")).toBe("");
});

it.each(["image", "last build", "board"])("rtkit kernel check finds nothing fatal on the %s", async (what) => {
  const subjects: Record<string, readonly string[]> = {
    image: [built.image.path],
    "last build": [],
    board: ["--host", "board", "--ssh-config", board.sshConfig],
  };
  const { options } = await rtkitResult<{ options: { severity: string; verdict: string }[] }>([
    "kernel",
    "check",
    ...(subjects[what] ?? []),
    "--project",
    dir,
  ]);
  expect(options.filter(({ severity, verdict }) => severity !== "info" && verdict === "differs")).toEqual([]);
});

it("apt installs the Debian package, which writes the boot partition", async () => {
  const { deb } = await rtkitResult<{ deb: { path: string } }>(["kernel", "build", "--project", dir]);
  await execa("scp", ["-F", board.sshConfig, deb.path, "board:/tmp/kernel.deb"]);
  // As if another kernel were there.
  await board.ask("echo older | sudo tee /boot/firmware/vmlinuz");
  await board.ask("sudo apt-get install --yes --reinstall /tmp/kernel.deb");
  expect(await board.ask("dpkg-query --show --showformat '${db:Status-Status}' \"linux-image-$(uname -r)\"")).toBe(
    "installed",
  );
  expect(
    await board.ask('sudo cmp /boot/firmware/vmlinuz "/boot/vmlinuz-$(uname -r)" && sudo ls /boot/firmware'),
  ).not.toContain(".new");
});
