import { describe, expect, it } from "vitest";
import { readSystemFiles, withLogins } from "../../src/cli/deploy/system-files.ts";
import type { SystemFile } from "../../src/deploy/bootstrap.ts";

const textOf = (files: readonly SystemFile[], path: string): string => {
  const content = files.find((file) => file.path === path)?.content;
  if (content === undefined || !("bytes" in content)) throw new Error(`there is no file ${path}`);
  return content.bytes.toString("utf8");
};

describe("the files of a target", () => {
  it("are those of the overlays, for the users who deploy in place of the image's", async () => {
    const { filesFor, bytes, glibc } = await readSystemFiles({ name: "rpi4", architecture: "arm64" });
    const files = filesFor(["anna", "pi"]);
    const paths = files.map(({ path }) => path);
    for (const path of ["rt-launch", "librtnode.so", "rtnode.node", "rtnodectl", "release.sh", "rt-tune", "groups"]) {
      expect(paths).toContain(`usr/lib/rtnode/${path}`);
    }
    expect(paths.filter((path) => path === "opt/rtnode")).toHaveLength(1);
    expect(new Set(paths).size).toBe(paths.length);
    expect(textOf(files, "etc/sudoers.d/rtnode").split("\n").slice(1)).toEqual([
      "anna ALL=(root) NOPASSWD: /usr/lib/rtnode/rtnodectl",
      "pi ALL=(root) NOPASSWD: /usr/lib/rtnode/rtnodectl",
      "",
    ]);
    expect(files.find(({ path }) => path === "etc/sudoers.d/rtnode")?.mode).toBe(0o440);
    expect(textOf(files, "usr/lib/sysusers.d/realtime.conf")).toContain("\nm anna realtime\nm pi realtime\n");
    expect(textOf(files, "usr/lib/sysusers.d/rtnode-login.conf")).toContain("\nm pi systemd-journal\n");
    expect(bytes).toBeGreaterThan(500_000);
    expect(glibc).toMatch(/^2\.\d+$/);
  });

  it("keep a comment and what names no user", () => {
    const bytes = Buffer.from("# robot's\nrobot ALL=(root) ALL\nu rtnode -\n");
    const file: SystemFile = { path: "etc/sudoers.d/x", mode: 0o440, content: { bytes } };
    expect(textOf([withLogins(file, ["a"])], file.path)).toBe("# robot's\na ALL=(root) ALL\nu rtnode -\n");
    const other = { ...file, path: "etc/x" };
    expect(withLogins(other, ["a"])).toBe(other);
  });
});
