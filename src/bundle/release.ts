import { createWriteStream } from "node:fs";
import { readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { pipeline } from "node:stream/promises";
import { pack, type Pack } from "tar-stream";
import type { NodeConfig, Project, Schedule } from "../config/model.ts";
import { canonicalJson, sha256, type Json } from "../pipeline/digest.ts";
import type { Step, StepOutput } from "../pipeline/step.ts";
import { launchConf } from "./launch-conf.ts";
import { bundleName, type ScannedNode } from "./scanned-node.ts";

/** The form of manifest.json and of the files around it; counts up when an older reader would go wrong. */
const FORMAT = 2;

/**
 * Makes the release out of the nodes' bundles (in the order of `scanned`). Its folder holds `release.tar` (SHA256SUMS,
 * manifest.json, and for each node `nodes/<node>.{pyz,mjs,bin}` and `nodes/<node>.conf`) and `release.json` (`{"id"}`).
 * SHA256SUMS lists all other files as sha256sum(1) does, for the board; its own sha256 is the id. No time, host or path
 * of the host is in it.
 */
export function releaseStep(project: Project, scanned: readonly ScannedNode[], bundles: readonly StepOutput[]): Step {
  const nodes = scanned
    .map(({ node, sdk }, index) => {
      const record = bundles[index]?.files[bundleName(node)];
      if (record === undefined) throw new Error(`the bundle of node ${node.name} is missing`);
      const conf = launchConf(node, sdk);
      const source = join(bundles[index]?.dir ?? "", bundleName(node));
      return { node, conf, source, entry: manifestEntry(node, record, conf) };
    })
    .toSorted((a, b) => (a.node.name < b.node.name ? -1 : 1));
  const manifest = `${canonicalJson({
    format: FORMAT,
    name: project.name,
    board: project.board.name,
    nodes: nodes.map(({ entry }) => entry),
  })}\n`;
  return {
    name: "release",
    title: `Release (${nodes.length === 1 ? "1 node" : `${nodes.length} nodes`})`,
    inputs: { manifest },
    run: async (outDir, { signal }) => {
      const tar = pack();
      const written = pipeline(tar, createWriteStream(join(outDir, "release.tar")), { signal });
      const files: [string, Buffer, number][] = [["manifest.json", Buffer.from(manifest), 0o644]];
      for (const { node, conf, source } of nodes) {
        files.push([`nodes/${node.name}.conf`, Buffer.from(conf), 0o644]);
        const mode = node.runtime === "native" ? 0o755 : 0o644;
        files.push([`nodes/${bundleName(node)}`, await readFile(source), mode]);
      }
      const sorted = files.toSorted(([x], [y]) => (x < y ? -1 : 1));
      const sums = sorted.map(([name, content]) => `${sha256(content)}  ${name}\n`).join("");
      for (const [name, content, mode] of [["SHA256SUMS", Buffer.from(sums), 0o644] as const, ...sorted]) {
        addFile(tar, name, content, mode);
      }
      tar.finalize();
      await written;
      await writeFile(join(outDir, "release.json"), `${JSON.stringify({ id: sha256(sums) })}\n`);
    },
  };
}

function addFile(tar: Pack, name: string, content: Buffer, mode: number): void {
  const owner = { uid: 0, gid: 0, uname: "root", gname: "root" };
  tar.entry({ name, mode, mtime: new Date(0), size: content.length, ...owner }, content);
}

function manifestEntry(node: NodeConfig, bundle: { size: number; sha256: string }, conf: string): Json {
  return {
    name: node.name,
    runtime: node.runtime,
    file: `nodes/${bundleName(node)}`,
    size: bundle.size,
    sha256: bundle.sha256,
    conf: { file: `nodes/${node.name}.conf`, size: Buffer.byteLength(conf), sha256: sha256(conf) },
    schedule: scheduleJson(node.schedule),
    restart: node.restart,
    groups: node.groups,
  };
}

/** Times are nanoseconds, as in the model. */
function scheduleJson({ cpus, ...policy }: Schedule): Json {
  return { ...policy, cpus: cpus.toSorted((a, b) => a - b) };
}
