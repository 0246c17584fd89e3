// Prints how long `rtkit deploy` takes beside rsync and scp by hand, and then for ten boards and for a hundred with the same
// number at once, and how much memory: one changed node of ten. The boards are real sshds on this machine before the real
// rtnodectl; their systemctl is a stand-in, so that a restart takes no time. Each deploy watches its nodes for a second at
// least. Building is not in it: see bench:build.
// This machine's CPUs do the work of all the boards too, most of it in sshd, and with ten at once a hundred boards are ten
// waves of ten: in the first rows what is to hold is that the time per board does not grow. In the last each command takes so
// long that this machine's CPUs count for little, as for boards that have a CPU each. "CPU here" is rtkit's own and that of
// its ssh: what bounds a fleet of such boards.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { deployInWaves, type Deployed } from "../../src/cli/deploy/fleet.ts";
import { removeTree } from "../../src/core/remove.ts";
import { formatSize } from "../../src/core/units.ts";
import { withConnections } from "../../src/deploy/connect-all.ts";
import type { Release } from "../../src/deploy/release.ts";
import { operatorIn, startBoards, type FakeBoard, type Operator } from "../../test/deploy/loopback.ts";
import { releaseOf } from "../../test/deploy/releases.ts";
import { compareByHand } from "./deploy-by-hand.ts";
import { median, printTable } from "./table.ts";

const FEW = 10;
const MANY = 100;
const FLEETS = [
  { concurrency: 10, slow: 0 },
  { concurrency: 50, slow: 0 },
  { concurrency: 50, slow: 12 },
];

const { signal } = new AbortController();

/** What a small Python node is bundled into. */
const BUNDLE_BYTES = 40_000;

/** Text that cannot be compressed, the same for the same name. */
function textOf(name: string): string {
  return createHash("shake256", { outputLength: BUNDLE_BYTES / 2 })
    .update(name)
    .digest("hex");
}

/** Ten nodes; one of them is another one in each version. */
function robot(version: number): Release {
  const still = Array.from({ length: 9 }, (_, index) => ({ name: `still-${index}`, version: textOf(`${index}`) }));
  return releaseOf(...still, { name: "changed", version: textOf(`version ${version}`) });
}

/** What a deploy to some boards took, and how much memory this process had at most until then. */
interface Fleet {
  readonly seconds: number;
  /** Of CPU time: this process, and the programs that it started. */
  readonly cpuSeconds: number;
  readonly boards: readonly Deployed[];
  readonly peakBytes: number;
}

async function deploy(
  operator: Operator,
  boards: readonly FakeBoard[],
  release: Release,
  concurrency: number,
): Promise<Fleet> {
  const started = performance.now();
  const cpuBefore = cpuSeconds();
  const limits = { timeoutSeconds: 300, concurrency, canary: 0, maxFailures: 0 };
  const addresses = boards.map(({ address }) => address);
  const connecting = { settings: operator.settings, concurrency, signal };
  const deployed = await withConnections(addresses, connecting, async (reachable) =>
    deployInWaves({ signal, emit: () => undefined, cacheDir: "" }, reachable, release, limits),
  );
  const failed = deployed.find(({ error }) => error !== undefined);
  if (failed?.error !== undefined) throw failed.error;
  const seconds = (performance.now() - started) / 1000;
  const peakBytes = process.resourceUsage().maxRSS * 1024;
  return { seconds, cpuSeconds: cpuSeconds() - cpuBefore, boards: deployed, peakBytes };
}

/** CPU time of this process and of those that it waited for: the 14th to 17th word of proc_pid_stat(5), in ticks of 10 ms. */
function cpuSeconds(): number {
  const afterName = readFileSync("/proc/self/stat", "utf8")
    .replace(/^.*\) /s, "")
    .split(" ");
  return afterName.slice(11, 15).reduce((sum, ticks) => sum + Number(ticks), 0) / 100;
}

const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
const folder = async (name: string): Promise<string> => {
  await mkdir(join(scratch, name));
  return join(scratch, name);
};
const operator = await operatorIn(await folder("operator"));
const { boards, stop } = await startBoards(await folder("boards"), operator, MANY);
try {
  let version = 0;
  const next = (): Release => robot((version += 1));
  const [board] = boards;
  if (board === undefined) throw new Error("no boards");
  await compareByHand({ board, operator, dir: await folder("by-hand") }, next, async (release) => {
    const { result } = (await deploy(operator, [board], release, 1)).boards[0] ?? {};
    return { seconds: result?.activeSeconds ?? Number.NaN, bytes: result?.sentBytes ?? Number.NaN };
  });
  let prepared = 0;
  const rows = [
    [
      "at once",
      "each command takes longer",
      "boards",
      "seconds",
      `÷ ${FEW} boards`,
      "per board",
      "CPU here per board",
      "nodes restarted after",
      "sent per board",
      "peak memory until then",
    ],
  ];
  for (const { concurrency, slow } of FLEETS) {
    for (const each of boards) each.before(slow === 0 ? "" : `sleep ${slow}`);
    let few = Number.NaN;
    for (const count of [FEW, MANY]) {
      // The board has something to go on from: the first release of all is sent whole.
      if (prepared < count) await deploy(operator, boards.slice(prepared, count), next(), FEW);
      prepared = Math.max(prepared, count);
      const fleet = await deploy(operator, boards.slice(0, count), next(), concurrency);
      if (count === FEW) few = fleet.seconds;
      const results = fleet.boards.map(({ result }) => result);
      rows.push([
        `${concurrency}`,
        `${slow} s`,
        `${count}`,
        `${fleet.seconds.toFixed(1)} s`,
        (fleet.seconds / few).toPrecision(2),
        `${(fleet.seconds / count).toFixed(2)} s`,
        `${(fleet.cpuSeconds / count).toFixed(2)} s`,
        `${median(results.map(({ activeSeconds }) => activeSeconds ?? Number.NaN)).toFixed(2)} s`,
        formatSize(median(results.map(({ sentBytes }) => sentBytes))),
        formatSize(fleet.peakBytes),
      ]);
    }
  }
  printTable("one changed node of ten, boards on this machine", rows);
} finally {
  stop();
  await removeTree(scratch);
}
