import { chmod, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { afterEach, expect, it, vi } from "vitest";
import { asRoot } from "../../src/flash/as-root.ts";
import { scratchDir } from "../scratch.ts";

afterEach(() => {
  vi.restoreAllMocks();
  vi.unstubAllEnvs();
});

function become(uid: number): void {
  vi.spyOn(process, "getuid").mockReturnValue(uid);
}

it("root needs no sudo", () => {
  become(0);
  expect(asRoot(["umount", "--", "/mnt"])).toEqual(["umount", "--", "/mnt"]);
});

it("others get the words as they are behind sudo", async () => {
  become(1000);
  const bin = scratchDir("rtkit-sudo-");
  await writeFile(join(bin, "sudo"), "#!/bin/sh\n");
  await chmod(join(bin, "sudo"), 0o755);
  vi.stubEnv("PATH", bin);
  expect(asRoot(["umount", "--", "/media/a b; reboot"])).toEqual(["sudo", "--", "umount", "--", "/media/a b; reboot"]);
});

it("says so where there is no sudo", () => {
  become(1000);
  vi.stubEnv("PATH", scratchDir("rtkit-sudo-"));
  expect(() => asRoot(["true"])).toThrow(expect.objectContaining({ code: "RTK_FLASH_NOT_ROOT" }));
});
