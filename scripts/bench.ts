// Prints how long builds of examples/arm take, per step: from an empty cache, with nothing changed, and with one line
// of a node changed. The peer is mmdebstrap itself, which every Debian image needs: the packages step of the same run.
import { appendFile, cp, mkdtemp, rm } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { buildImage } from "../src/cli/build/build-image.ts";
import { loadProject } from "../src/config/load.ts";
import { rtkitRoot } from "../src/core/paths.ts";
import { formatMs } from "../src/core/units.ts";

const board = process.argv[2] ?? "qemu-x86_64";

/** Milliseconds by step, and of the whole. */
interface Times {
  readonly steps: ReadonlyMap<string, string>;
  readonly total: number;
  readonly packages: number;
}

async function measure(project: string, cacheDir: string): Promise<Times> {
  const steps = new Map<string, string>();
  let packages = 0;
  const started = performance.now();
  const loaded = await loadProject({ cwd: process.cwd(), dir: project, board });
  await buildImage(
    {
      cacheDir,
      signal: new AbortController().signal,
      emit: (event) => {
        if (event.type !== "step" || event.status === "started") return;
        steps.set(event.name, event.status === "cached" ? "cached" : formatMs(event.ms));
        if (event.name === "packages") packages = event.ms;
      },
    },
    loaded.project,
    { mirror: undefined },
  );
  return { steps, total: performance.now() - started, packages };
}

const scratch = await mkdtemp(join(tmpdir(), "rtkit-bench-"));
try {
  const project = join(scratch, "arm");
  const cache = join(scratch, "cache");
  await cp(join(rtkitRoot, "examples", "arm"), project, { recursive: true, filter: (path) => !path.endsWith("/out") });
  const cold = await measure(project, cache);
  const same = await measure(project, cache);
  await appendFile(join(project, "nodes", "controller.py"), "\n# one more line\n");
  const changed = await measure(project, cache);
  const scenarios = { "from nothing": cold, "nothing changed": same, "one line changed": changed };
  const rows = [["step", ...Object.keys(scenarios)]];
  for (const step of cold.steps.keys()) {
    rows.push([step, ...Object.values(scenarios).map(({ steps }) => steps.get(step) ?? "-")]);
  }
  rows.push(["total", ...Object.values(scenarios).map(({ total }) => formatMs(total))]);
  rows.push([
    "÷ mmdebstrap alone",
    ...Object.values(scenarios).map(({ total }) => (total / cold.packages).toPrecision(2)),
  ]);
  process.stdout.write(
    `${board}\n${rows
      .map((row) =>
        row
          .map((cell) => cell.padEnd(20))
          .join("")
          .trimEnd(),
      )
      .join("\n")}\n`,
  );
} finally {
  await rm(scratch, { recursive: true, force: true });
}
