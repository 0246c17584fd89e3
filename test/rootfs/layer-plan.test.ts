import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import * as fc from "fast-check";
import { afterAll, beforeAll, describe, expect, test } from "vitest";
import { RtkitError, RtkitErrors } from "../../src/core/errors.ts";
import { staleDerivations } from "../../src/rootfs/derived-files.ts";
import { hashedLayers, layerInputs, type Layer, type LayerContent, type LayerEntry } from "../../src/rootfs/layer.ts";
import { planLayers } from "../../src/rootfs/layer-plan.ts";
import { layeredTar } from "../../src/rootfs/layer-tar.ts";
import { indexTree, openTree, throughLinks, type TreeIndex } from "../../src/rootfs/tree-index.ts";
import { debianTree, readTar, writeTar, type TestEntry } from "./trees.ts";

let dir = "";
let tar = "";
let index: TreeIndex;
beforeAll(async () => {
  dir = await mkdtemp(join(tmpdir(), "layers-"));
  tar = join(dir, "packages.tar");
  index = await treeOf(debianTree);
});
afterAll(async () => rm(dir, { recursive: true }));

async function treeOf(entries: readonly TestEntry[]): Promise<TreeIndex> {
  await writeTar(tar, entries);
  const tree = await openTree(tar);
  const made = await indexTree(tree);
  await tree.close();
  return made;
}

const where = { file: "overlay.yaml", line: 3 };
const text = (path: string, content: string, more: Partial<LayerEntry> = {}): LayerEntry => ({
  path,
  content: { kind: "text", text: content },
  mode: 0o644,
  owner: "root",
  group: "root",
  where,
  ...more,
});
const folder = (path: string, declared: boolean, more: Partial<LayerEntry> = {}): LayerEntry =>
  text(path, "", { content: { kind: "directory", declared }, mode: 0o755, ...more });
const layer = (name: string, entries: readonly LayerEntry[], replaces: readonly string[] = []): Layer => ({
  name: `overlay ${name}`,
  entries,
  replaces: new Map(replaces.map((path) => [path, where])),
});
const mistakes = (...layers: Layer[]): string[] => {
  try {
    planLayers(index, layers);
    return [];
  } catch (error) {
    const errors = error instanceof RtkitErrors ? error.errors : [error as RtkitError];
    return errors.map(({ code, message }) => `${code}: ${message}`);
  }
};
const layered = async (...layers: Layer[]): Promise<Map<string, TestEntry>> =>
  readTar(layeredTar(tar, planLayers(index, layers), 0));

test("the index knows packages through a merged /usr, and ids", () => {
  expect(index.packages).toEqual({ "etc/issue": "base-files", "usr/bin/sudo": "sudo" });
  expect(index.users).toEqual({ root: 0, robot: 1000 });
});

describe("layering", () => {
  test("without layers the tar is the packages' own", async () => {
    expect([...(await layered()).keys()]).toEqual(
      [...(await readTar(layeredTar(tar, planLayers(index, []), 0)))].map(([path]) => path),
    );
    expect((await layered()).get("usr/bin/sudo")).toMatchObject({ mode: 0o4755, content: "sudo" });
  });

  test("files, folders above them, owners by name", async () => {
    const entries = await layered(
      layer("a", [text("opt/x/y", "new", { owner: "robot", group: "robot", mode: 0o600 })]),
    );
    expect(entries.get("opt/x/y")).toMatchObject({ content: "new", uid: 1000, gid: 1000, mode: 0o600 });
    expect(entries.get("opt/x")).toMatchObject({ type: "directory", uid: 0, mode: 0o755 });
    expect([...entries.keys()].slice(-3)).toEqual(["opt", "opt/x", "opt/x/y"]);
  });

  test("a path through a link of the merged /usr lands where it leads", async () => {
    const entries = await layered(layer("a", [folder("bin", false), text("bin/tool", "x", { mode: 0o755 })]));
    expect(entries.get("usr/bin/tool")?.content).toBe("x");
    expect(entries.get("bin")).toMatchObject({ type: "symlink", linkname: "usr/bin" });
  });

  test("replaces drops the file below, and the link itself is replaced, not what it leads to", async () => {
    const entries = await layered(layer("a", [text("etc/issue", "robot")], ["etc/issue"]));
    expect(entries.get("etc/issue")?.content).toBe("robot");
  });

  test("a declared folder changes one that is there, at its place", async () => {
    const entries = await layered(layer("a", [folder("etc", true, { mode: 0o700 })]));
    expect(entries.get("etc")).toMatchObject({ mode: 0o700 });
    expect([...entries.keys()].indexOf("etc")).toBeLessThan([...entries.keys()].indexOf("etc/issue"));
    expect((await layered(layer("a", [folder("etc", false, { mode: 0o700 })]))).get("etc")).toMatchObject({
      mode: 0o755,
    });
  });

  test("a higher layer replaces a lower one's file", async () => {
    const entries = await layered(layer("a", [text("etc/x", "1")]), layer("b", [text("etc/x", "2")], ["etc/x"]));
    expect(entries.get("etc/x")?.content).toBe("2");
  });

  test("files of any size and long names come through", async () => {
    const source = join(dir, "large");
    await writeFile(source, Buffer.alloc(3_000_001, 7));
    const content: LayerContent = { kind: "file", source, size: 3_000_001 };
    const path = `opt/${"long-".repeat(30)}/${"näme".repeat(30)}`;
    const entries = await layered(layer("a", [text(path, "", { content }), text("opt/z", "after")]));
    expect(entries.get(path)?.content).toHaveLength(3_000_001);
    expect(entries.get("opt/z")?.content).toBe("after");
  });

  test("a file that changed since is noticed", async () => {
    const source = join(dir, "changed");
    await writeFile(source, "longer than before");
    await expect(
      layered(layer("a", [text("opt/x", "", { content: { kind: "file", source, size: 3 } })])),
    ).rejects.toThrow();
  });
});

describe("mistakes", () => {
  test("overwriting names both owners", () => {
    expect(mistakes(layer("a", [text("etc/issue", "")]))).toEqual([
      "RTK_OVERLAY_COLLISION: /etc/issue of overlay a would overwrite the file of the Debian package base-files",
    ]);
    expect(mistakes(layer("a", [text("etc/made", "")]))[0]).toContain(
      "the Debian packages (made while they were installed)",
    );
    expect(mistakes(layer("a", [text("bin/sudo", "")]))[0]).toContain("the Debian package sudo");
    expect(mistakes(layer("a", [text("etc/x", "")]), layer("b", [text("etc/x", "")]))).toEqual([
      "RTK_OVERLAY_COLLISION: /etc/x of overlay b would overwrite the file of overlay a",
    ]);
  });

  test("a file that rtkit makes itself is not to be replaced, but to be left out", () => {
    const ours: Layer = { ...layer("rtkit", [text("etc/x", "")]), generated: true };
    expect(() => planLayers(index, [layer("a", [text("etc/x", "")]), ours])).toThrow(
      expect.objectContaining({ hint: "remove it from overlay a: rtkit makes this file out of rtkit.yaml" }),
    );
  });

  test("a file where a folder is, and the other way round", () => {
    expect(mistakes(layer("a", [text("etc", "")]))).toEqual([
      "RTK_OVERLAY_KIND: /etc is a file in overlay a and a folder in the Debian packages (made while they were installed)",
    ]);
    expect(mistakes(layer("a", [folder("etc/issue", true)]))[0]).toContain("RTK_OVERLAY_KIND");
    // One mistake, whatever is in that folder.
    expect(mistakes(layer("a", [folder("etc/issue", false), text("etc/issue/x", "")]))).toEqual([
      expect.stringContaining("RTK_OVERLAY_KIND: /etc/issue is a folder in overlay a and a file in"),
    ]);
    expect(mistakes(layer("a", [text("etc/issue/x", "")]))[0]).toContain(
      "RTK_OVERLAY_KIND: /etc/issue/x of overlay a needs a folder at /etc/issue",
    );
  });

  test("replaces that replaces nothing", () => {
    expect(mistakes(layer("a", [text("etc/x", "")], ["etc/x", "etc/gone"]))).toEqual([
      "RTK_OVERLAY_STALE: overlay a says that it replaces /etc/x, but nothing is there below it",
      "RTK_OVERLAY_STALE: overlay a says that it replaces /etc/gone, but has no such file",
    ]);
  });

  test("an owner the image does not have", () => {
    expect(mistakes(layer("a", [text("etc/x", "", { owner: "nobody-here", group: "none" })]))).toEqual([
      "RTK_OVERLAY_OWNER: /etc/x of overlay a belongs to the user nobody-here, which the image does not have",
      "RTK_OVERLAY_OWNER: /etc/x of overlay a belongs to the group none, which the image does not have",
    ]);
  });

  test("a file with hard links", () => {
    expect(mistakes(layer("a", [text("usr/bin/perl", "")], ["usr/bin/perl"]))[0]).toContain("RTK_OVERLAY_LINK");
  });

  test("links that run in circles", async () => {
    const circle: TestEntry[] = [
      ...debianTree,
      { name: "./a", type: "symlink", linkname: "b" },
      { name: "./b", type: "symlink", linkname: "a" },
    ];
    index = await treeOf(circle);
    expect(mistakes(layer("x", [text("a/file", "")]))[0]).toContain("RTK_OVERLAY_KIND");
    index = await treeOf(debianTree);
  });
});

const keepsIt = async (path: string, more: Partial<LayerEntry> = {}): Promise<boolean> =>
  (await layered(layer("a", [text(path, "", more)]))).has("etc/.updated");

describe("what the packages' /etc/.updated keeps the first boot from deriving", () => {
  beforeAll(async () => void (index = await treeOf([...debianTree, { name: "./etc/.updated", content: "TIMESTAMP" }])));
  afterAll(async () => void (index = await treeOf(debianTree)));
  test.each([
    "usr/local/lib/libvendor.so.1",
    "usr/local/lib/aarch64-linux-gnu/libvendor.so",
    "usr/lib/libvendor.so.1.2.3",
    "usr/lib/x86_64-linux-gnu/libvendor.so.1",
    "etc/ld.so.conf.d/vendor.conf",
    "etc/udev/hwdb.d/70-joystick.hwdb",
  ])("is derived with /%s", async (path) => {
    expect(await keepsIt(path)).toBe(false);
    expect(await keepsIt(path, { content: { kind: "symlink", target: "/opt/it" } })).toBe(false);
  });

  test.each([
    "usr/lib/rtnode/librtnode.so",
    "usr/lib/python3/dist-packages/armdrv.so",
    "usr/local/lib/notes.txt",
    "usr/local/lib/libvendor.sources",
    "opt/vendor/lib/libvendor.so.1",
    "etc/ld.so.conf",
  ])("is not with /%s", async (path) => expect(await keepsIt(path)).toBe(true));

  test("is not with a folder, and an overlay's own file stays", async () => {
    expect(await keepsIt("usr/local/lib/odd.so", { content: { kind: "directory", declared: true } })).toBe(true);
    const both = [text("etc/.updated", "mine"), text("usr/local/lib/libvendor.so.1", "")];
    expect((await layered(layer("a", both, ["etc/.updated"]))).get("etc/.updated")?.content).toBe("mine");
  });

  test("is counted", () => {
    const plan = planLayers(index, [layer("a", [text("usr/lib/libvendor.so.1", "12345")])]);
    const before = planLayers(index, []);
    expect(plan.bytes).toBe(before.bytes - "TIMESTAMP".length + 5);
  });
});

const warnings = (...paths: string[]): string[] =>
  staleDerivations([
    layer(
      "site",
      paths.map((path) => text(path, "")),
    ),
  ]).map(({ message }) => message);

describe("what was derived before overlays are put on", () => {
  test("is warned of", () => {
    expect(
      warnings(
        "usr/lib/modules/6.12.1/updates/arm.ko.xz",
        "usr/lib/modules/6.12.1/updates/leg.ko",
        "etc/initramfs-tools/modules",
        "usr/lib/udev/hwdb.d/70-joystick.hwdb",
        "usr/local/share/ca-certificates/site.crt",
      ),
    ).toEqual([
      expect.stringMatching(/^\/usr\/lib\/modules\/6\.12\.1\/updates\/arm\.ko\.xz of overlay site: modprobe/),
      expect.stringMatching(/^\/etc\/initramfs-tools\/modules of overlay site: the initramfs/),
      expect.stringMatching(/^\/usr\/lib\/udev\/hwdb\.d\/70-joystick\.hwdb of overlay site: udev/),
      expect.stringMatching(/^\/usr\/local\/share\/ca-certificates\/site\.crt of overlay site: programs/),
    ]);
  });

  test("is not where the overlay brings it, nor of other files", () => {
    const made = ["lib/modules/6.12.1/extra/arm.ko", "lib/modules/6.12.1/modules.dep.bin"];
    const trusted = ["usr/local/share/ca-certificates/site.crt", "etc/ssl/certs/ca-certificates.crt"];
    expect(warnings(...made, ...trusted, "etc/modprobe.d/arm.conf")).toEqual([]);
  });
});

test("no path leaves the tree through links", () => {
  const part = fc.constantFrom("a", "b", "c", "..");
  const path = fc.array(fc.constantFrom("a", "b", "c"), { minLength: 1, maxLength: 4 }).map((parts) => parts.join("/"));
  const target = fc
    .tuple(fc.constantFrom("", "/"), fc.array(part, { minLength: 1, maxLength: 4 }))
    .map(([root, parts]) => root + parts.join("/"));
  fc.assert(
    fc.property(fc.dictionary(path, target, { maxKeys: 4 }), path, (links, wanted) => {
      const tree = new Map(Object.entries(links).map(([at, link]) => [at, { type: "symlink" as const, link }]));
      const real = throughLinks(wanted, tree);
      expect(real.split("/")).not.toContain("..");
      expect(real.startsWith("/")).toBe(false);
    }),
  );
});

test("every planned tar has each path once, after its folder, and the same plan gives the same bytes", async () => {
  const path = fc
    .array(fc.constantFrom("etc", "usr", "bin", "x", "y"), { minLength: 1, maxLength: 4 })
    .map((parts) => `new/${parts.join("/")}`);
  await fc.assert(
    fc.asyncProperty(fc.uniqueArray(path, { maxLength: 6 }), async (paths) => {
      const files = paths.filter((one) => !paths.some((other) => other.startsWith(`${one}/`))).toSorted();
      const plan = planLayers(index, [
        layer(
          "a",
          files.map((one) => text(one, one)),
        ),
      ]);
      const bytes = await Promise.all([layeredTar(tar, plan, 0).toArray(), layeredTar(tar, plan, 0).toArray()]);
      expect(Buffer.concat(bytes[0] as Buffer[])).toEqual(Buffer.concat(bytes[1] as Buffer[]));
      const entries = await readTar(layeredTar(tar, plan, 0));
      const seen = new Set([""]);
      for (const one of [...entries.keys()].filter((name) => name.startsWith("new"))) {
        expect(seen).toContain(one.split("/").slice(0, -1).join("/"));
        seen.add(one);
      }
      for (const one of files) expect(entries.get(one)?.content).toBe(one);
      expect(entries.size).toBe(plan.entries);
    }),
    { numRuns: 25 },
  );
});

test("a file that changes while the image is made ends the build, and says which", async () => {
  const source = join(dir, "growing");
  await writeFile(source, "more than it was");
  const plan = planLayers(index, [layer("a", [text("etc/x", "", { content: { kind: "file", source, size: 1 } })])]);
  await expect(layeredTar(tar, plan, 0).toArray()).rejects.toMatchObject({
    code: "RTK_OVERLAY_CHANGED",
    message: `${source} changed while it was read`,
  });
});

test("so does one that keeps its size, after the digest of what it was went into a step's key", async () => {
  const source = join(dir, "saved");
  await writeFile(source, "speed: 1");
  const content: LayerContent = { kind: "file", source, size: 8 };
  const layers = await hashedLayers([layer("a", [text("etc/x", "", { content })])]);
  const inputs = await layerInputs(layers);
  const write = async (): Promise<unknown> => layeredTar(tar, planLayers(index, layers), 0).toArray();
  await write();
  await writeFile(source, "speed: 2");
  expect(await layerInputs(layers)).toEqual(inputs);
  await expect(write()).rejects.toMatchObject({ code: "RTK_OVERLAY_CHANGED", hint: "build again" });
});

test("a layer's inputs change with content, owner and mode, and hold no path of this machine", async () => {
  const source = join(dir, "input");
  await writeFile(source, "1");
  const of = async (more: Partial<LayerEntry>): Promise<string> =>
    JSON.stringify(
      await layerInputs([layer("a", [text("etc/x", "", { content: { kind: "file", source, size: 1 }, ...more })])]),
    );
  const first = await of({});
  expect(first).not.toContain(dir);
  expect(await of({ mode: 0o600 })).not.toBe(first);
  expect(await of({ owner: "robot" })).not.toBe(first);
  await writeFile(source, "2");
  expect(await of({})).not.toBe(first);
});
