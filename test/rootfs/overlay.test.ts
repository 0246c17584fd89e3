import { chmod, mkdir, mkdtemp, rm, symlink, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { dirname, join } from "node:path";
import { afterEach, beforeEach, describe, expect, test } from "vitest";
import { RtkitErrors, type RtkitError } from "../../src/core/errors.ts";
import type { Layer } from "../../src/rootfs/layer.ts";
import { loadOverlays, sysusersLines } from "../../src/rootfs/overlay.ts";
import { layerSettings, parseSysctls } from "../../src/rootfs/settings.ts";

let dir = "";
beforeEach(async () => void (dir = await mkdtemp(join(tmpdir(), "overlay-"))));
afterEach(async () => rm(dir, { recursive: true }));

async function overlay(name: string, yaml: string, files: Readonly<Record<string, string>> = {}): Promise<string> {
  const folder = join(dir, name);
  await mkdir(folder, { recursive: true });
  await writeFile(join(folder, "overlay.yaml"), yaml);
  for (const [path, content] of Object.entries(files)) {
    await mkdir(dirname(join(folder, "rootfs", path)), { recursive: true });
    await writeFile(join(folder, "rootfs", path), content);
  }
  return folder;
}

const load = async (...folders: string[]): Promise<Layer[]> =>
  loadOverlays(folders, { programsDir: join(dir, "programs") });

async function mistakes(...folders: string[]): Promise<string[]> {
  try {
    await load(...folders);
    return [];
  } catch (error) {
    const errors = error instanceof RtkitErrors ? error.errors : [error as RtkitError];
    return errors.map(({ code, message, where }) => {
      return `${code} ${where?.line ?? 0}:${where?.column ?? 0} ${message.replaceAll(dir, "")}`;
    });
  }
}

describe("what an overlay says", () => {
  test("modes by the executable bit, owners and modes by paths, links, empty folders, programs", async () => {
    await mkdir(join(dir, "programs"));
    await writeFile(join(dir, "programs/rt-launch"), "elf");
    const folder = await overlay(
      "site",
      [
        "description: all of it",
        "paths:",
        '  /etc/secret: { mode: "0440", group: robot }',
        '  /home/robot: { owner: robot, group: robot, mode: "0750", directory: true }',
        '  /etc: { mode: "0711" }',
        "links: { /etc/link: /dev/null }",
        "replaces: [/etc/secret]",
        "programs: { rt-launch: { to: /usr/lib/rtnode/rt-launch } }",
      ].join("\n"),
      { "etc/secret": "s", "usr/bin/tool": "#!", "etc/plain": "p" },
    );
    await chmod(join(folder, "rootfs/usr/bin/tool"), 0o700);
    await chmod(join(folder, "rootfs/etc/plain"), 0o600);
    await symlink("plain", join(folder, "rootfs/etc/also"));
    const [layer] = await load(folder);
    expect(layer?.name).toBe("overlay site");
    expect(
      layer?.entries.map(({ path, mode, owner, group, content }) => [
        path,
        mode.toString(8),
        owner,
        group,
        content.kind,
      ]),
    ).toEqual([
      ["etc", "711", "root", "root", "directory"],
      ["etc/also", "777", "root", "root", "symlink"],
      ["etc/link", "777", "root", "root", "symlink"],
      ["etc/plain", "644", "root", "root", "file"],
      ["etc/secret", "440", "root", "robot", "file"],
      ["home/robot", "750", "robot", "robot", "directory"],
      ["usr", "755", "root", "root", "directory"],
      ["usr/bin", "755", "root", "root", "directory"],
      ["usr/bin/tool", "755", "root", "root", "file"],
      ["usr/lib/rtnode/rt-launch", "755", "root", "root", "file"],
    ]);
    expect([...(layer?.replaces ?? [])]).toEqual([
      ["etc/secret", { file: join(folder, "overlay.yaml"), line: 7, column: 12 }],
    ]);
  });

  test("no rootfs at all", async () => {
    expect((await load(await overlay("empty", "description: nothing")))[0]?.entries).toEqual([]);
  });
});

describe("mistakes, all overlays at once", () => {
  test("no overlay.yaml", async () => {
    expect(await mistakes(join(dir, "gone"))).toEqual([
      "RTK_OVERLAY_MISSING 0:0 no overlay at /gone: it has no overlay.yaml",
    ]);
  });

  test("keys, values and paths, each with its place", async () => {
    const one = await overlay(
      "one",
      'description: x\nreplace: []\npaths:\n  etc/x: { mode: "0644" }\n  /etc/y: { mode: 420 }\n',
    );
    const two = await overlay("two", "paths: {}\n");
    const found = await mistakes(one, two);
    expect(found).toHaveLength(4);
    expect(found.join("\n")).toContain('RTK_OVERLAY_INVALID 2:1 unknown key "replace" in an overlay');
    expect(found.join("\n")).toContain(
      "RTK_OVERLAY_INVALID 4:3 paths.etc/x: an absolute path on the board without . and ..",
    );
    expect(found).toContain("RTK_OVERLAY_INVALID 5:19 paths./etc/y.mode: expected text, not a number");
    expect(found).toContain('RTK_OVERLAY_INVALID 1:1 the key "description" is missing');
    expect(await mistakes(await overlay("three", ""))).toEqual(["RTK_OVERLAY_INVALID 1:1 the file is empty"]);
  });

  test.each(["/etc/../x", "/etc/.", "/etc//x", "/", "/etc/"])("the path %s", async (path) => {
    const [found] = await mistakes(await overlay("p", `description: x\nreplaces: ["${path}"]`));
    expect(found).toContain("RTK_OVERLAY_INVALID 2:12");
  });

  test("paths that name nothing, folders that are files, programs that are not compiled, an entry that is there twice", async () => {
    const yaml = [
      "description: x",
      'paths: { /etc/gone: { mode: "0600" }, /etc/file: { directory: true } }',
      "programs: { rt-lunch: { to: /usr/x } }",
      "links: { /etc/file: /dev/null }",
    ].join("\n");
    expect(await mistakes(await overlay("x", yaml, { "etc/file": "" }))).toEqual([
      "RTK_OVERLAY_PATH 4:10 /etc/file is in this overlay twice",
      "RTK_OVERLAY_PROGRAM 3:13 the device program rt-lunch is not compiled for this board",
      "RTK_OVERLAY_PATH 2:10 paths names /etc/gone, which is not in the overlay's rootfs",
      "RTK_OVERLAY_PATH 2:39 /etc/file is a folder in paths and a file in rootfs",
    ]);
  });

  test("broken YAML", async () => {
    expect((await mistakes(await overlay("y", "description: [")))[0]).toContain("RTK_CONFIG_YAML");
  });
});

test("the users of all overlays, for systemd-sysusers", async () => {
  const a = await overlay("a", "description: a", {
    "usr/lib/sysusers.d/a.conf": "# why\n\nu a -",
    "usr/lib/sysusers.d/not": "x",
  });
  const b = await overlay("b", "description: b", { "usr/lib/sysusers.d/b.conf": "g b -\n" });
  expect(await sysusersLines(await load(a, b))).toBe("u a -\ng b -\n");
});

describe("settings", () => {
  test("sysctl files by name, /etc over /usr/lib; units that are wanted", async () => {
    const a = await overlay("a", "description: a\nlinks: { /etc/systemd/system/x.target.wants/on.service: /x }", {
      "usr/lib/sysctl.d/60-a.conf": "kernel.x = 1\n# comment\n-vm/y=2\n",
      "usr/lib/systemd/system/on.service": "",
      "usr/lib/systemd/system/off.service": "",
    });
    const b = await overlay("b", "description: b", {
      "usr/lib/sysctl.d/50-b.conf": "kernel.x=5\n",
      "etc/sysctl.d/60-a.conf": "kernel.x=3\n",
    });
    expect(await layerSettings(await load(a))).toEqual({
      sysctls: { "kernel.x": "1", "vm.y": "2" },
      units: ["on.service"],
    });
    expect((await layerSettings(await load(a, b))).sysctls).toEqual({ "kernel.x": "3" });
  });

  test("the last value counts", () => expect(parseSysctls("a.b=1\n;a.b=2\na.b = 3 \n")).toEqual({ "a.b": "3" }));
});
