import { cp, readFile, writeFile } from "node:fs/promises";
import { join } from "node:path";
import { beforeAll, expect, it } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { scratchDir } from "../scratch.ts";
import type { RunningBoard } from "./board.ts";
import { rtkit } from "./cli.ts";

/** The arm example with what a measurement takes, and a controller that is held to something. */
export async function measurableProject(board: string): Promise<string> {
  const project = join(scratchDir("rtkit-measurable-"), "robot");
  await cp(join(rtkitRoot, "examples", "arm"), project, { recursive: true, filter: (path) => !path.endsWith("/out") });
  const file = join(project, "rtkit.yaml");
  const text = (await readFile(file, "utf8"))
    .replace(/^board: .*$/m, `board: ${board}`)
    .replace("hostname: arm\n", "hostname: arm\n  packages: [rt-tests, stress-ng]\n")
    .replace("cpus: [3] }\n", "cpus: [3] }\n    expect: { faults: 0, collections: 0, wakeup_max: 1ns }\n");
  await writeFile(file, text);
  return project;
}

/** What is read of `rtkit latency --json`. */
interface Measured {
  readonly verdict: string;
  readonly headline: string;
  readonly limits: readonly { readonly limit: string; readonly measured: number; readonly state: string }[];
  readonly doubts: readonly string[];
  readonly files: { readonly report: string; readonly run: string; readonly cyclictest: string };
}

interface Cyclictest {
  readonly thread: Record<string, { cpu: number; cycles: number; max: number; histogram: Record<string, number> }>;
}

/** What `rtkit latency` says of a board in QEMU: never how long something took. */
export function checkLatency(project: () => string, board: () => RunningBoard): void {
  let measured: Measured;
  beforeAll(async () => {
    const where = ["--ssh-config", board().sshConfig, "--host", "board"];
    const { status, lines } = await rtkit(["latency", "--project", project(), "--duration", "5s", ...where]);
    measured = lines.at(-1) as unknown as Measured;
    expect({ status, type: lines.at(-1)?.type }, JSON.stringify(lines.at(-1))).toEqual({ status: 1, type: "result" });
  });

  it("judges the controller, and says that a virtual machine's figures are not the board's", () => {
    expect(measured).toMatchObject({
      verdict: "missed",
      headline: "1 of 3 limits is missed, but these are not the board's figures: a virtual machine (qemu)",
      limits: [
        { limit: "wakeup_max", state: "missed" },
        { limit: "faults", measured: 0, state: "met" },
        { limit: "collections", measured: 0, state: "met" },
      ],
    });
    // The load ran to the end, all of it, and so did the nodes.
    expect(measured.doubts.join("\n")).toContain("This is a virtual machine (qemu)");
    expect(measured.doubts.join("\n")).not.toMatch(/ended|was started again/);
  });

  it("measures every CPU, isolated ones too, and the nodes; figures follow from cyclictest's own file", async () => {
    const run = JSON.parse(await readFile(measured.files.run, "utf8"));
    expect(run).toMatchObject({
      loads: ["cpu", "disk", "net", "memory"],
      settings: { isolatedCpus: "2-3", rtRuntimeUs: "950000" },
    });
    const { thread } = JSON.parse(await readFile(measured.files.cyclictest, "utf8")) as Cyclictest;
    const threads = Object.values(thread);
    expect(threads.map(({ cpu }) => cpu)).toEqual([0, 1, 2, 3]);
    const report = await readFile(measured.files.report, "utf8");
    for (const [index, { cpu, cycles, max, histogram }] of threads.entries()) {
      const { bins, beyond, max: longest } = run.cyclictest.cpus[index].times;
      expect(Object.fromEntries(bins)).toEqual(histogram);
      const counted = Object.values(histogram).reduce((sum, count) => sum + count, 0);
      expect([counted + beyond, longest]).toEqual([cycles, max]);
      expect(report).toContain(`<th scope="row">CPU ${cpu}</th><td>${cycles.toLocaleString("en")}</td>`);
    }
    for (const { name, loop } of run.nodes) {
      expect(["controller", "planner"]).toContain(name);
      expect(loop.counts.cycles).toBeGreaterThan(0);
      expect(loop.counts.cycles).toBe(
        loop.step.bins.reduce((sum: number, [, count]: number[]) => sum + (count ?? 0), 0),
      );
    }
  });

  it("leaves nothing on the board", async () => {
    expect(await board().ask("ls /opt/rtnode")).not.toContain("latency");
    expect((await board().tryAsk("pgrep 'cyclictest|stress-ng'")).output).toBe("");
  });
}
