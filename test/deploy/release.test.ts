import { createWriteStream } from "node:fs";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack } from "tar-stream";
import { describe, expect, it } from "vitest";
import { releaseStep } from "../../src/bundle/release.ts";
import { scanNode } from "../../src/bundle/scan.ts";
import { changedNodes } from "../../src/deploy/preview.ts";
import { readRelease } from "../../src/deploy/release.ts";
import { runStep } from "../../src/pipeline/cache.ts";
import { sha256 } from "../../src/pipeline/digest.ts";
import { contextOf, hostTools, nodeOf, projectOf, temporaryFolder, writeFiles } from "../bundle/robot.ts";
import { scratchDir } from "../scratch.ts";
import { releaseOf } from "./releases.ts";

async function tarOf(files: Readonly<Record<string, string>>): Promise<string> {
  const path = join(scratchDir("rtkit-release-"), "release.tar");
  const tar = pack();
  for (const [name, content] of Object.entries(files)) tar.entry({ name }, content);
  tar.finalize();
  await pipeline(tar, createWriteStream(path));
  return path;
}

describe("a release", () => {
  it("is read as the bundle domain makes it", async () => {
    const dir = await temporaryFolder();
    await writeFiles(dir, { "imu.py": "print(1)\n" });
    const node = nodeOf(dir, "imu.py", {
      name: "imu",
      watchdog: null,
      expect: {},
      schedule: { policy: "fifo", priority: 40, cpus: [3] },
    });
    const project = projectOf(dir, [node]);
    const sdk = { python: dir, typescript: dir };
    const { signal } = new AbortController();
    const scanned = await scanNode(project, node, { tools: hostTools, signal, sdk, nodejs: undefined });
    const context = await contextOf();
    const output = await runStep(context, releaseStep(project, [scanned], [await runStep(context, scanned.step)]));
    const release = await readRelease(join(output.dir, "release.tar"));
    expect(release.sums.toString()).toMatch(
      /^[0-9a-f]{64} {2}manifest\.json\n[0-9a-f]{64} {2}nodes\/imu\.conf\n[0-9a-f]{64} {2}nodes\/imu\.pyz\n$/,
    );
    expect(release.id).toBe(sha256(release.sums));
    expect(release.nodes).toMatchObject([{ name: "imu", schedule: { policy: "fifo", priority: 40, cpus: [3] } }]);
    const [imu] = release.nodes;
    expect(release.blobs.get(imu?.conf.sha256 ?? "")?.toString()).toContain("priority 40");
    expect(release.blobs.get(imu?.sha256 ?? "")?.length).toBeGreaterThan(0);
    expect([...release.blobs].every(([digest, content]) => sha256(content) === digest)).toBe(true);
  });

  it("is none without its list, or with a file that is not as listed", async () => {
    await expect(readRelease(await tarOf({ "manifest.json": "{}" }))).rejects.toThrow("has no SHA256SUMS");
    const sums = `${sha256("{}")}  manifest.json\n`;
    const changed = await tarOf({ SHA256SUMS: sums, "manifest.json": "{ }" });
    await expect(readRelease(changed)).rejects.toThrow("manifest.json is not as listed");
  });
});

it("a board restarts the nodes whose bundle or launch options differ, and stops those that are gone", () => {
  const before = releaseOf({ name: "a" }, { name: "b" }, { name: "c" }, { name: "gone" }).nodes;
  const after = releaseOf(
    { name: "a" },
    { name: "b", version: "2" },
    { name: "c", priority: 1 },
    { name: "new" },
  ).nodes;
  expect(changedNodes(before, after)).toEqual({ restarts: ["b", "c", "new"], stops: ["gone"] });
  expect(changedNodes([], before).restarts).toEqual(["a", "b", "c", "gone"]);
});
