import { writeFile } from "node:fs/promises";
import { join } from "node:path";
import { expect, it } from "vitest";
import { layerRoot, type LayeredRoot } from "../../../src/cli/build/root.ts";
import { diskIdentity } from "../../../src/image/identity.ts";
import { runStep } from "../../../src/pipeline/cache.ts";
import { fileContent, type Layer } from "../../../src/rootfs/layer.ts";
import { indexTree, openTree } from "../../../src/rootfs/tree-index.ts";
import { projectOf, temporaryFolder } from "../../bundle/robot.ts";
import { stepOutput } from "../../image/tools-fixtures.ts";
import { watchedContext } from "../../pipeline/fixtures.ts";
import { debianTree, readTar, writeTar } from "../../rootfs/trees.ts";

/** The layered root of a small tree with one overlay, whose one file is `source`. */
async function layeredRoot(dir: string, source: string): Promise<LayeredRoot> {
  const tar = join(dir, "packages.tar");
  await writeTar(tar, debianTree);
  const tree = await openTree(tar);
  const index = JSON.stringify(await indexTree(tree));
  await tree.close();
  const project = projectOf(dir, []);
  const where = { file: source };
  const content = await fileContent(source);
  const overlay: Layer = {
    name: "overlay site",
    entries: [{ path: "etc/speed", content, mode: 0o644, owner: "root", group: "root", where }],
    replaces: new Map(),
  };
  return layerRoot(watchedContext(join(dir, "cache")), project, {
    packages: { dir, digest: "packages", cached: false, files: {} },
    contents: await stepOutput(join(dir, "contents"), { "index.json": index }),
    layers: [overlay],
    boot: { identity: diskIdentity(project.name, project.board), cmdline: "quiet" },
    sourceDateEpoch: 0,
    run: runStep,
  });
}

it("has the overlays' files, and none that was saved after the step's key was made", async () => {
  const dir = await temporaryFolder();
  const source = join(dir, "speed");
  await writeFile(source, "1 m/s");
  const { tar } = await layeredRoot(dir, source);
  const { signal } = new AbortController();
  expect((await readTar(await tar.open(signal))).get("etc/speed")?.content).toBe("1 m/s");
  await writeFile(source, "9 m/s");
  await expect((await tar.open(signal)).toArray()).rejects.toMatchObject({ code: "RTK_OVERLAY_CHANGED" });
});
