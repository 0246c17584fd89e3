// Prints how long `rtkit build` of examples/arm takes as its user sees it, from the start of the process to its end, and
// per step: from an empty cache, with nothing changed, and with one line of a node changed. Warm builds run several times
// and the median counts. For a board of another architecture the ratios to two peers follow, measured in the same run; the
// second takes a quarter of an hour. Arguments: the board (default rpi4).
import { appendFile, cp, mkdir, mkdtemp } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../../src/core/exec.ts";
import { removeTree } from "../../src/core/remove.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { formatMs } from "../../src/core/units.ts";
import { aptSources } from "../../src/rootfs/apt.ts";
import { foreignPrograms, gatherForeign } from "../../src/rootfs/foreign.ts";
import { lockPath, readLock } from "../../src/rootfs/lock-file.ts";
import { chooseMirror } from "../../src/rootfs/mirror.ts";
import { namespace } from "../../src/rootfs/namespace.ts";
import { dispatcherPath } from "../../src/rootfs/native.ts";
import { median, printTable } from "./table.ts";

const board = process.argv[2] ?? "rpi4";
const WARM_RUNS = 7;

/** One build. Milliseconds; a step that was cached has none. */
interface Run {
  readonly total: number;
  readonly steps: ReadonlyMap<string, number | null>;
}

/** What a build is compared with: its name and how long it took, in milliseconds. */
interface Peer {
  readonly name: string;
  readonly measure: (project: string, scratch: string) => Promise<number>;
}

/** The same robot for a board of this machine's own architecture, from nothing as well. */
const PC: Peer = {
  name: "the same for qemu-x86_64",
  measure: async (project, scratch) => (await build(project, join(scratch, "cache-pc"), "qemu-x86_64")).total,
};

/** What people do without rtkit, as far as the packages: mmdebstrap of the same set, every program under qemu-user. */
const PLAIN: Peer = {
  name: "plain mmdebstrap and qemu-user, packages only",
  measure: async (project, scratch) => {
    const lock = (await readLock(lockPath(project)))?.boards[board];
    if (lock === undefined) throw new Error("the build wrote no lock");
    const facts = await gatherForeign(lock.architecture, dispatcherPath());
    const foreign = foreignPrograms(facts, true);
    if (foreign instanceof Error) throw foreign;
    const tree = join(scratch, "plain");
    await mkdir(tree);
    const words = ["mmdebstrap", "--mode=root", "--variant=apt", "--skip=check/qemu,chroot/mount/sys"];
    words.push(`--architectures=${lock.architecture}`, `--include=${lock.base.wanted.join(",")}`);
    words.push('--aptopt=APT::Install-Recommends "false"', '--aptopt=APT::Sandbox::User "root"');
    const command = namespace([...words, lock.suite, join(scratch, "plain.tar"), "-"], foreign);
    const started = performance.now();
    await exec(command.file, command.args, {
      input: aptSources(lock.suite, await chooseMirror(undefined)),
      env: { TMPDIR: tree },
    });
    return performance.now() - started;
  },
};

async function build(project: string, cache: string, on = board): Promise<Run> {
  const started = performance.now();
  const { stdout } = await exec(
    join(rtkitRoot, "bin", "rtkit"),
    ["build", "--project", project, "--board", on, "--json"],
    { env: { RTKIT_CACHE: cache } },
  );
  const total = performance.now() - started;
  const steps = new Map<string, number | null>();
  for (const line of stdout.trimEnd().split("\n")) {
    const event = JSON.parse(line) as { type: string; name: string; status: string; ms: number };
    if (event.type !== "step" || event.status === "started") continue;
    steps.set(event.name, event.status === "cached" ? null : event.ms);
  }
  return { total, steps };
}

/** The run in the middle of several; `change` comes before each. */
async function middle(change: (index: number) => Promise<void>, run: () => Promise<Run>): Promise<Run> {
  const runs: Run[] = [];
  for (let index = 0; index < WARM_RUNS; index += 1) {
    await change(index);
    runs.push(await run());
  }
  const time = median(runs.map(({ total }) => total));
  const found = runs.find(({ total }) => total === time);
  if (found === undefined) throw new Error("nothing ran");
  return found;
}

function shown(ms: number | null | undefined): string {
  if (ms === undefined) return "-";
  if (ms === null) return "cached";
  return ms < 10_000 ? `${(ms / 1000).toFixed(2)} s` : formatMs(ms);
}

const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
try {
  // As in the repository, whose tsconfig.json the project's own extends.
  const project = join(scratch, "examples", "arm");
  await cp(join(rtkitRoot, "examples", "arm"), project, { recursive: true, filter: (path) => !path.endsWith("/out") });
  await cp(join(rtkitRoot, "tsconfig.json"), join(scratch, "tsconfig.json"));
  const run = async (): Promise<Run> => build(project, join(scratch, "cache"));
  const append = (node: string, line: (index: number) => string) => async (index: number) =>
    appendFile(join(project, "nodes", node), `\n${line(index)}\n`);
  const cold = await run();
  const scenarios = new Map([
    ["from nothing", cold],
    ["nothing changed", await middle(async () => undefined, run)],
    [
      "a Python line",
      await middle(
        append("controller.py", (index) => `LINE_${index} = ${index}`),
        run,
      ),
    ],
    [
      "a TypeScript line",
      await middle(
        append("planner.ts", (index) => `export const line${index} = ${index};`),
        run,
      ),
    ],
  ]);
  const columns = [...scenarios.values()];
  const rows = [["", ...scenarios.keys()]];
  for (const step of cold.steps.keys()) rows.push([step, ...columns.map(({ steps }) => shown(steps.get(step)))]);
  rows.push(["whole process", ...columns.map(({ total }) => shown(total))]);
  for (const { name, measure } of board === "qemu-x86_64" ? [] : [PC, PLAIN]) {
    const peer = await measure(project, scratch);
    rows.push([`÷ ${name}, ${shown(peer)}`, ...columns.map(({ total }) => (total / peer).toPrecision(2))]);
  }
  printTable(`${board}, warm builds: median of ${WARM_RUNS}`, rows);
} finally {
  await removeTree(scratch);
}
