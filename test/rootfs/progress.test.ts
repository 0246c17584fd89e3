import { expect, test } from "vitest";
import { followProgress } from "../../src/rootfs/progress.ts";

test("apt's and dpkg's lines in plain words, without the mirror", () => {
  const heard: string[] = [];
  const follow = followProgress((text) => heard.push(text));
  for (const line of [
    "I: running apt-get update...",
    "Get:1 http://secret.example/debian trixie InRelease [140 kB]",
    "Need to get 2,000 kB of archives.",
    "Get:1 http://secret.example/debian trixie/main amd64 libc6 amd64 2.41-12 [500 kB]",
    "Get:2 http://secret.example/debian trixie/main amd64 systemd amd64 257.8-1 [1,500 kB]",
    "Preparing to unpack .../libc6_2.41-12_amd64.deb ...",
    "Unpacking libc6:amd64 (2.41-12) ...",
    "Setting up systemd (257.8-1~deb13u1) ...",
    "update-initramfs: Generating /boot/initrd.img-6.12.57+deb13-rt-amd64",
    "I: creating tarball...",
  ]) {
    follow(line);
  }
  expect(heard).toEqual([
    "reading package lists",
    "reading package lists",
    "downloading libc6, 25 %",
    "downloading systemd, 100 %",
    "unpacking libc6",
    "configuring systemd",
    "making the initramfs",
    "writing the archive",
  ]);
});
