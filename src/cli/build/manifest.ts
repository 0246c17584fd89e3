import { readFile } from "node:fs/promises";
import { basename, join } from "node:path";
import packageJson from "../../../package.json" with { type: "json" };
import type { Project } from "../../config/model.ts";
import type { OutputFile } from "../../image/assemble.ts";
import type { Layout } from "../../image/layout.ts";
import { printManifest, type Manifest } from "../../image/manifest.ts";
import type { OptionVerdict } from "../../kernel/check.ts";
import type { StepOutput } from "../../pipeline/step.ts";
import type { Layer } from "../../rootfs/layer.ts";
import type { InstalledPackage } from "../../rootfs/dpkg-status.ts";
import { nodejsPackage, type LockedNodejs } from "../../rootfs/lock.ts";
import { publishText } from "./publish.ts";

/** What manifest.json is made from. */
export interface ManifestFacts {
  readonly project: Project;
  readonly nodejs: LockedNodejs | null;
  readonly layers: readonly Layer[];
  readonly contents: StepOutput;
  readonly kernel: readonly OptionVerdict[];
  readonly cmdline: string;
  readonly layout: Layout;
  readonly release: { readonly id: string };
  readonly artifacts: readonly OutputFile[];
  /** Where it goes. */
  readonly path: string;
}

/** Writes manifest.json: what is in the image, and what it was made of. */
export async function buildManifest(facts: ManifestFacts): Promise<OutputFile> {
  const { project, nodejs, layers, contents, layout } = facts;
  const { board } = project;
  const text = async (name: string): Promise<string> => readFile(join(contents.dir, name), "utf8");
  const installed = JSON.parse(await text("packages.json")) as InstalledPackage[];
  const manifest: Manifest = {
    format: 1,
    rtkit: packageJson.version,
    name: project.name,
    board: board.name,
    suite: board.suite,
    architecture: board.architecture,
    kernel: { release: (await text("kernel/release")).trim(), options: [...facts.kernel] },
    cmdline: facts.cmdline,
    overlays: layers.map(({ name }) => name.replace(/^overlay /, "")),
    ...(nodejs === null ? {} : { nodejs: { package: nodejsPackage(board.architecture), ...nodejs } }),
    packages: installed.map(({ name, version, architecture }) => ({ name, version, architecture })),
    nodes: project.nodes.map(({ name, runtime, schedule }) => ({
      name,
      runtime,
      schedule: { ...schedule, cpus: [...schedule.cpus] },
    })),
    release: facts.release.id,
    layout: {
      table: layout.table,
      diskId: layout.diskId,
      size: layout.size,
      partitions: layout.partitions.map(
        ({ name, number, content, filesystem, mount, start, size, partUuid, fsUuid }) => ({
          name,
          number,
          content,
          filesystem,
          mount,
          start,
          size,
          partUuid,
          fsUuid,
        }),
      ),
    },
    artifacts: Object.fromEntries(facts.artifacts.map(({ path, size, sha256 }) => [basename(path), { size, sha256 }])),
  };
  return publishText(printManifest(manifest), facts.path);
}
