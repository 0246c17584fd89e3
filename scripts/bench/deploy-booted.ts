// Prints how long `rtkit deploy` of one changed node takes on a booted board beside rsync and systemctl restart by hand:
// the real image with its sshd, sudo, systemd and kernel, in QEMU. Without KVM the machine is emulated: what is slow on a
// small board, logging in and starting programs, is slower still. Building is not in it: see bench:build.
import { appendFile, mkdir, mkdtemp, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildRelease } from "../../src/cli/build/build-release.ts";
import { withCaches } from "../../src/cli/build/caches.ts";
import { loadProject } from "../../src/config/load.ts";
import { exec } from "../../src/core/exec.ts";
import { cacheDir } from "../../src/core/paths.ts";
import { removeTree } from "../../src/core/remove.ts";
import { parseAddress } from "../../src/deploy/address.ts";
import { deployRelease } from "../../src/deploy/board.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import { readRelease, type Release } from "../../src/deploy/release.ts";
import { bootBoard } from "../../test/e2e/board.ts";
import { rtkitResult } from "../../test/e2e/cli.ts";
import { printWays, rsync, writeRelease, type Way } from "./ways.ts";

const BOARD = "qemu-x86_64";
const NODE = "changed";
const RUNS = 5;

const { signal } = new AbortController();
const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
const project = join(scratch, "robot");

/** A loop that does next to nothing: the board's time is to go into the deploy. */
const LOOP = `from rtnode import PeriodicNode
class Loop(PeriodicNode):
    def init(self): return 0
    def step(self): return 0
    def finalize(self): return 0
Loop(period=0.1).main()
`;

const CONFIG = `name: bench
board: ${BOARD}
image:
  hostname: bench
  packages: [rsync]
  overlays: [by-hand]
nodes:
  still: { entry: still.py, schedule: { policy: fifo, priority: 20, cpus: [2] } }
  ${NODE}: { entry: ${NODE}.py, schedule: { policy: fifo, priority: 20, cpus: [2] } }
`;

/** Two nodes, on an image where by hand is possible: with rsync, and the right to restart nodes. */
async function makeProject(): Promise<void> {
  const sudoers = join(project, "by-hand", "rootfs", "etc", "sudoers.d");
  await mkdir(sudoers, { recursive: true });
  const overlay = 'description: Restarts by hand\npaths:\n  /etc/sudoers.d/by-hand: { mode: "0440" }\n';
  const files = {
    "rtkit.yaml": CONFIG,
    "still.py": LOOP,
    [`${NODE}.py`]: LOOP,
    "by-hand/overlay.yaml": overlay,
    "by-hand/rootfs/etc/sudoers.d/by-hand": "robot ALL=(root) NOPASSWD: /usr/bin/systemctl\n",
  };
  for (const [path, text] of Object.entries(files)) await writeFile(join(project, path), text);
}

let version = 0;

/** The release with another line in one node. */
async function nextRelease(): Promise<Release> {
  version += 1;
  await appendFile(join(project, `${NODE}.py`), `# version ${version}\n`);
  const context = { signal, emit: () => undefined, cacheDir: cacheDir() };
  const { project: loaded } = await loadProject({ cwd: scratch, dir: project, board: BOARD });
  const tar = await withCaches(context, loaded, async (inner) => buildRelease(inner, loaded));
  return readRelease(tar.path);
}

async function byHand(sshConfig: string, release: Release): Promise<Way> {
  const folder = join(scratch, "release");
  await writeRelease(release, folder);
  const started = performance.now();
  const bytes = await rsync(folder, ["-F", sshConfig], "board:release/");
  await exec("ssh", ["-F", sshConfig, "board", `sudo systemctl restart --no-block rtnode@${NODE}`]);
  return { seconds: (performance.now() - started) / 1000, bytes };
}

async function byRtkit(sshConfig: string, release: Release): Promise<Way> {
  const started = performance.now();
  const settings = { config: sshConfig, acceptNew: false, ask: false };
  return withConnections([parseAddress("board")], { settings, concurrency: 1, signal }, async ([board]) => {
    if (board === undefined) throw new Error("no board");
    return board.visit(async (connection) => {
      const options = { timeoutSeconds: 120, progress: () => undefined, warn: () => undefined, signal };
      const { activeAt, sentBytes } = await deployRelease(connection, release, options);
      return { seconds: ((activeAt ?? Number.NaN) - started) / 1000, bytes: sentBytes };
    });
  });
}

try {
  await makeProject();
  await rtkitResult(["build", "--project", project, "--board", BOARD]);
  const board = await bootBoard(project, BOARD);
  try {
    const ways = { "rsync + systemctl restart": byHand, "rtkit deploy": byRtkit };
    const took = new Map<string, Way[]>();
    for (let run = 0; run <= RUNS; run += 1) {
      for (const [name, way] of Object.entries(ways)) {
        const one = await way(board.sshConfig, await nextRelease());
        process.stderr.write(`run ${run}: ${name} ${one.seconds.toFixed(2)} s\n`);
        // The first time everything is new on the board.
        if (run > 0) took.set(name, [...(took.get(name) ?? []), one]);
      }
    }
    printWays("one changed node of two, one emulated board", took);
  } finally {
    await board.stop();
  }
} finally {
  await removeTree(scratch);
}
