import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { parseEnv } from "node:util";
import packageJson from "../../../package.json" with { type: "json" };
import { readDependencies } from "../../bundle/dependencies.ts";
import { bundleName } from "../../bundle/scanned-node.ts";
import type { Project } from "../../config/model.ts";
import type { OutputFile } from "../../image/assemble.ts";
import type { FileFacts, NodeFacts, NodejsFacts, KernelFacts } from "../../image/sbom-facts.ts";
import { makeSbom, printSbom } from "../../image/sbom.ts";
import { digestFile } from "../../pipeline/digest.ts";
import type { StepOutput } from "../../pipeline/step.ts";
import type { InstalledPackage } from "../../rootfs/dpkg-status.ts";
import type { Layer } from "../../rootfs/layer.ts";
import { imageSet, nodejsPackage, type BoardLock, type LockedPackage } from "../../rootfs/lock.ts";
import { sha512Of } from "../../rootfs/nodejs.ts";
import { NODEJS_LIBRARIES } from "../../rootfs/package-list.ts";
import { publishText } from "./publish.ts";

/** What sbom.cdx.json is made from. */
export interface SbomSources {
  readonly project: Project;
  /** Seconds since 1970: the document's time. */
  readonly sourceDateEpoch: number;
  /** Where the package files' hashes come from. */
  readonly lock: BoardLock;
  /** The step's output with the official build of Node.js, see {@link nodejsStep}. */
  readonly nodejs: StepOutput | null;
  /** The board's overlays, then the project's. */
  readonly layers: readonly Layer[];
  readonly contents: StepOutput;
  /** In the order of the project's nodes. */
  readonly bundles: readonly StepOutput[];
  readonly release: { readonly id: string };
  readonly image: OutputFile;
  /** Where it goes. */
  readonly path: string;
}

/** Writes sbom.cdx.json: the software in the image, as CycloneDX 1.6. */
export async function buildSbom(sources: SbomSources): Promise<OutputFile> {
  const { project, contents } = sources;
  const { board } = project;
  const text = async (name: string): Promise<string> => readFile(join(contents.dir, name), "utf8");
  const osRelease = parseEnv(await text("os-release"));
  const sbom = makeSbom({
    rtkit: packageJson.version,
    sourceDateEpoch: sources.sourceDateEpoch,
    image: {
      name: `${project.name}-${board.name}`,
      release: sources.release.id,
      sha256: sources.image.sha256,
    },
    system: {
      id: osRelease["ID"] ?? "debian",
      version: osRelease["VERSION_ID"] ?? board.suite,
      suite: board.suite,
    },
    packages: withHashes(JSON.parse(await text("packages.json")) as InstalledPackage[], imageSet(sources.lock)),
    kernel: {
      release: (await text("kernel/release")).trim(),
      sha256: digestIn(contents, "kernel/vmlinuz"),
      compiled: await compiledFrom(sources),
    },
    firmware: firmware(sources),
    programs: await programs(sources),
    nodejs: await nodejs(sources),
    nodes: await nodes(sources),
  });
  return publishText(printSbom(sbom), sources.path);
}

async function compiledFrom({ project: { kernel }, lock }: SbomSources): Promise<KernelFacts["compiled"]> {
  if (kernel.source === null) return null;
  const patches = await Promise.all(kernel.patches.map(async (path) => digestFile(path)));
  return { source: lock.kernel?.source.packages[0]?.version ?? null, patches };
}

function withHashes(packages: readonly InstalledPackage[], locked: readonly LockedPackage[]): InstalledPackage[] {
  const hashes = new Map(locked.map(({ name, sha256 }) => [name, sha256]));
  return packages.map((installed) => {
    const sha256 = hashes.get(installed.name);
    return sha256 === undefined ? installed : { ...installed, sha256 };
  });
}

/** What the Raspberry Pi's GPU runs from the boot partition. */
function firmware({ project: { board }, contents }: SbomSources): FileFacts[] {
  if (board.firmware.family !== "raspberrypi") return [];
  const mount = board.partitions.find(({ content }) => content === "boot")?.mount ?? "";
  return board.firmware.blobs.map((blob) => ({
    path: `${mount}/${blob}`,
    sha256: digestIn(contents, `firmware/${blob}`),
    version: null,
    package: "raspi-firmware",
  }));
}

/** Overlays' programs and libraries: of the board's overlays they are rtkit's own. */
async function programs({ project, layers }: SbomSources): Promise<FileFacts[]> {
  const found = new Map<string, FileFacts>();
  for (const [index, { entries }] of layers.entries()) {
    const version = index < project.board.overlays.length ? packageJson.version : null;
    for (const { path, content, mode } of entries) {
      if (content.kind !== "file" || ((mode & 0o111) === 0 && !/\.(?:so|node)$/.test(path))) continue;
      // A later overlay's file takes the place of an earlier one's.
      found.set(path, { path: `/${path}`, sha256: await digestFile(content.source), version });
    }
  }
  return [...found.values()];
}

async function nodejs({ lock, nodejs: output }: SbomSources): Promise<NodejsFacts | null> {
  if (lock.nodejs === null || output === null) return null;
  const { version, integrity } = lock.nodejs;
  const { license } = JSON.parse(await readFile(join(output.dir, "package.json"), "utf8")) as { license?: unknown };
  return {
    name: nodejsPackage(lock.architecture),
    version,
    sha512: sha512Of(integrity),
    licence: typeof license === "string" ? license : null,
    depends: ["libc6", ...NODEJS_LIBRARIES],
  };
}

async function nodes({ project, bundles }: SbomSources): Promise<NodeFacts[]> {
  return Promise.all(
    project.nodes.map(async (node, index) => {
      const bundle = bundles[index];
      if (bundle === undefined) throw new Error(`the bundle of node ${node.name} is missing`);
      const { name, runtime } = node;
      const path = `/opt/rtnode/current/nodes/${bundleName(node)}`;
      const dependencies = await readDependencies(bundle);
      return { name, runtime, path, sha256: digestIn(bundle, bundleName(node)), dependencies };
    }),
  );
}

function digestIn({ files, dir }: StepOutput, name: string): string {
  const record = files[name];
  if (record === undefined) throw new Error(`${dir} has no ${name}`);
  return record.sha256;
}
