// Compares Debian's real-time kernel with the one that rtkit compiles for the board, in the same image of examples/arm:
// time of a boot in QEMU until every node is active, sizes, and cyclictest in both machines. In an emulated machine the
// latencies say nothing about a board; side by side they show what the kernels differ in. Arguments: the board (default
// qemu-arm64). The median of three boots counts.
import { appendFile, cp, mkdtemp, readFile, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatSize } from "../../src/core/units.ts";
import { median, printTable } from "./table.ts";

const board = process.argv[2] ?? "qemu-arm64";
const BOOTS = 3;
const CYCLICTEST = "cyclictest --quiet --mlockall --smp --priority=80 --interval=1000 --duration=20s";

/** What was measured of one kernel. */
interface Measured {
  readonly name: string;
  readonly release: string;
  readonly buildSeconds: number;
  readonly bootSeconds: number;
  readonly kernelBytes: number;
  /** Of the boot partition: kernel, initramfs, device trees, firmware. */
  readonly bootBytes: number;
  readonly imageBytes: number;
  /** Worst wake-up of all CPUs, µs. */
  readonly worstUs: number;
}

/** The members of results that are read here. */
interface Started {
  readonly pid: number;
  readonly bootSeconds: number;
  readonly ssh: { readonly config: string };
}

const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
try {
  const debian = await measure("Debian's package", "");
  const source = await measure("compiled", "kernel: { source: debian }\n");
  const rows = [debian, source].map((one) => [
    one.name,
    one.release,
    `${one.buildSeconds.toFixed(0)} s`,
    `${one.bootSeconds.toFixed(1)} s`,
    formatSize(one.kernelBytes),
    formatSize(one.bootBytes),
    formatSize(one.imageBytes),
    `${one.worstUs} µs`,
  ]);
  const head = ["kernel", "release", "build", "boot to nodes", "kernel", "boot files", "image", "cyclictest worst"];
  printTable(`kernels for ${board}`, [head, ...rows]);
} finally {
  await rm(scratch, { recursive: true });
}

async function measure(name: string, section: string): Promise<Measured> {
  const project = await mkdtemp(join(scratch, "project-"));
  await cp(join(rtkitRoot, "examples/arm"), project, {
    recursive: true,
    filter: (path) => !/\/(out|node_modules)$/.test(path),
  });
  const file = join(project, "rtkit.yaml");
  const text = (await readFile(file, "utf8")).replace(/^image:$/m, "image:\n  packages: [rt-tests]");
  await rm(file);
  await appendFile(file, `${text}\n${section}`);
  const began = performance.now();
  await rtkit(["build", "--project", project, "--board", board]);
  const buildSeconds = (performance.now() - began) / 1000;
  const image = join(project, "out", board, `arm-${board}.img`);
  const { blocks, boot } = await bootFiles(image);
  const boots: number[] = [];
  let worstUs = 0;
  let release = "";
  for (let round = 1; round <= BOOTS; round += 1) {
    const run = ["run", "--project", project, "--board", board, "--detach", "--until", "ready"];
    const started = (await rtkit(run)) as unknown as Started;
    try {
      boots.push(started.bootSeconds);
      if (round < BOOTS) continue;
      release = (await ssh(started, "uname -r")).trim();
      const lines = (await ssh(started, CYCLICTEST)).matchAll(/Max:\s*(\d+)/g);
      worstUs = Math.max(...[...lines].map(([, max]) => Number(max)));
    } finally {
      process.kill(started.pid);
    }
  }
  const kernelBytes = boot.find(({ name: entry }) => entry === "vmlinuz")?.size ?? Number.NaN;
  const bootBytes = boot.reduce((sum, { size }) => sum + size, 0);
  return {
    name,
    release,
    buildSeconds,
    bootSeconds: median(boots),
    kernelBytes,
    bootBytes,
    imageBytes: blocks,
    worstUs,
  };
}

async function ssh({ ssh: { config } }: Started, command: string): Promise<string> {
  return (await exec("ssh", ["-F", config, "board", command])).stdout;
}

/** Files of the boot partition, the first of the image, and what the image takes on the disk. */
async function bootFiles(image: string): Promise<{ blocks: number; boot: { name: string; size: number }[] }> {
  const { stdout: usage } = await exec("du", ["--block-size=1", image]);
  const { stdout } = await exec("sfdisk", ["--json", image]);
  const table = JSON.parse(stdout) as { partitiontable: { partitions: { start: number }[] } };
  const offset = (table.partitiontable.partitions[0]?.start ?? 0) * 512;
  const listed = await exec("mdir", ["-/", "-a", "-i", `${image}@@${offset}`, "::"], { env: { LC_ALL: "C" } });
  const boot = listed.stdout.split("\n").flatMap((line) => {
    // NAME     EXT      SIZE DATE  TIME  long name
    const match = /^(\S+)\s+(?:(\S+)\s+)?([\d ]+?)\s+\d{4}-\d\d-\d\d\s+[\d:]+\s*(.*)$/.exec(line);
    if (match === null || line.includes("<DIR>")) return [];
    const [, short = "", , size = "0", long = ""] = match;
    return [{ name: (long === "" ? short : long).trim().toLowerCase(), size: Number(size.replaceAll(" ", "")) }];
  });
  return { blocks: Number(usage.split("\t")[0]), boot };
}

async function rtkit(args: readonly string[]): Promise<Record<string, unknown>> {
  const { stdout } = await exec(join(rtkitRoot, "bin", "rtkit"), [...args, "--json"]);
  return JSON.parse(stdout.trimEnd().split("\n").at(-1) ?? "{}") as Record<string, unknown>;
}
