// Prints how long `rtkit build` of examples/arm takes as its user sees it, from the start of the process to its end, and
// per step: from an empty cache, with nothing changed, and with one line of a node changed. Warm builds run several times
// and the median counts. The ratios are to PEERS, measured in the same run. Arguments: the board (default qemu-x86_64).
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { exec } from "../src/core/exec.ts";
import { rtkitRoot } from "../src/core/paths.ts";
import { formatMs } from "../src/core/units.ts";

const board = process.argv[2] ?? "qemu-x86_64";
const WARM_RUNS = 7;

/** One build. Milliseconds; a step that was cached has none. */
interface Run {
  readonly total: number;
  readonly steps: ReadonlyMap<string, number | null>;
}

/** What a build is compared with: its name and how long it took, in milliseconds, given the build from nothing. */
const PEERS: readonly { readonly name: string; readonly measure: (cold: Run) => Promise<number> }[] = [
  // Every Debian image needs it: the packages step of the same run.
  { name: "mmdebstrap alone", measure: async ({ steps }) => steps.get("packages") ?? Number.NaN },
];

async function build(project: string, cache: string): Promise<Run> {
  const started = performance.now();
  const { stdout } = await exec(
    join(rtkitRoot, "bin", "rtkit"),
    ["build", "--project", project, "--board", board, "--json"],
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
async function median(change: (index: number) => Promise<void>, run: () => Promise<Run>): Promise<Run> {
  const runs: Run[] = [];
  for (let index = 0; index < WARM_RUNS; index += 1) {
    await change(index);
    runs.push(await run());
  }
  const middle = runs.toSorted((a, b) => a.total - b.total)[Math.floor(WARM_RUNS / 2)];
  if (middle === undefined) throw new Error("nothing ran");
  return middle;
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
    ["nothing changed", await median(async () => undefined, run)],
    [
      "a Python line",
      await median(
        append("controller.py", (index) => `LINE_${index} = ${index}`),
        run,
      ),
    ],
    [
      "a TypeScript line",
      await median(
        append("planner.ts", (index) => `export const line${index} = ${index};`),
        run,
      ),
    ],
  ]);
  const columns = [...scenarios.values()];
  const rows = [["", ...scenarios.keys()]];
  for (const step of cold.steps.keys()) rows.push([step, ...columns.map(({ steps }) => shown(steps.get(step)))]);
  rows.push(["whole process", ...columns.map(({ total }) => shown(total))]);
  for (const { name, measure } of PEERS) {
    const peer = await measure(cold);
    rows.push([`÷ ${name}, ${shown(peer)}`, ...columns.map(({ total }) => (total / peer).toPrecision(2))]);
  }
  const widths = rows[0]?.map((_, column) => Math.max(...rows.map((row) => (row[column] ?? "").length)) + 2) ?? [];
  const lines = rows.map((row) =>
    row
      .map((cell, column) => cell.padEnd(widths[column] ?? 0))
      .join("")
      .trimEnd(),
  );
  process.stdout.write(`${board}, warm builds: median of ${WARM_RUNS}\n${lines.join("\n")}\n`);
} finally {
  await rm(scratch, { recursive: true, force: true });
}
