import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { NodeText } from "./languages.ts";
import { otherNode } from "./support.ts";
import type { Ended } from "./support.ts";

beforeAll(buildDevicePrograms);

const [python, typescript] = languages as [(typeof languages)[0], (typeof languages)[0]];

async function end(text: NodeText): Promise<Ended> {
  return (await python.start({ above: "import gc", ...text })).ended;
}

describe("G1: Python's collector", () => {
  test("is on in init, and off from then on, with all that init made put aside", async () => {
    const state = "say(gc.isenabled(), gc.get_threshold()[0] > 0, gc.get_freeze_count() > 1000); return 0";
    const { stdout } = await end({ base: "RTNode", init: state, run: state, finalize: state });
    expect(stdout.split("\n")).toEqual(["True True False", "False False True", "False False True"]);
  });

  test("collects nothing in a loop that allocates", async () => {
    const step = "kept = [[] for _ in range(10000)]; return when(self.n == 5, 3)";
    const { exitCode, stderr } = await end({ step });
    expect(exitCode).toBe(3);
    expect(stderr).toMatch(/, 0 collections$/);
  });

  test("that a library switches on in a step is off again after it, and that is said", async () => {
    const step = "say_when(self.n > 2, gc.isenabled()); gc.enable(); return when(self.n == 4, 3)";
    const { stdout, stderr } = await end({ step });
    expect(stdout).toBe("False\nFalse\nfinalized");
    expect(stderr.match(/^test: step switched the collector on; it is off again$/gm)).toHaveLength(3);
  });

  test("that a library switches on in a run of one's own is told at the end, with how often it ran", async () => {
    const { stderr } = await end({ base: "RTNode", run: "gc.enable(); gc.collect(); gc.collect(); return 0" });
    expect(stderr).toContain("test: the collector was switched on in run and ran 2 times\n");
    expect(stderr).toMatch(/, 2 collections$/);
  });

  test("that has a threshold again is caught too", async () => {
    const run = "gc.set_threshold(100); gc.enable(); kept = [[] for _ in range(10000)]; return 0";
    const { stderr } = await end({ base: "RTNode", run });
    const collections = Number(/, (\d+) collections$/.exec(stderr)?.[1]);
    expect(collections).toBeGreaterThan(10);
    expect(stderr).toContain(`the collector was switched on in run and ran ${collections} times`);
  });

  test("finds after the loop what it left behind in cycles, and says how many objects", async () => {
    const step = "cycle = []; cycle.append(cycle); return when(self.n == 7, 3)";
    expect((await end({ step })).stderr).toMatch(
      /^test: 7 objects in cycles, which nothing frees while the collector is off$/m,
    );
    expect((await end({ step: "return when(self.n == 7, 3)" })).stderr).not.toContain("in cycles");
  });
});

/** A TypeScript node's loop, watched by V8's own profiler of collections from its first step on. */
const watched: NodeText = {
  above: 'import { GCProfiler } from "node:v8"; const profiler = new GCProfiler(); const kept = [];',
  step: `
    if (self.n === 1) profiler.start();
    kept.length = 0;
    for (let i = 0; i < 20_000; i++) kept.push({ i });
    if (self.n < 200) return 0;
    say(profiler.stop().statistics.length);
    return 3;`,
};

describe.each(
  [
    { node: process.execPath, what: "this Node.js" },
    { node: otherNode() ?? "", what: "the system's Node.js" },
  ].filter(({ node }) => node !== ""),
)("G1: V8's collector in $what", ({ node }) => {
  test("cannot be switched off: what it collects in the loop is counted, as many as V8 says", async () => {
    const { stdout, stderr } = await (await typescript.start(watched, { node })).ended;
    const profiled = Number(stdout.split("\n")[0]);
    expect(profiled).toBeGreaterThan(5);
    const counted = Number(/, (\d+) collections$/m.exec(stderr)?.[1]);
    // One may come in the first step before the profiler watches, or in the last when it no longer does.
    expect(Math.abs(counted - profiled)).toBeLessThanOrEqual(1);
  });

  test("has collected before the loop what init made", async () => {
    const init = "self.rubbish = Array.from({ length: 300_000 }, (_, i) => ({ i })); self.rubbish = null; return 0";
    const { stderr } = await (await typescript.start({ init, step: "return when(self.n == 100, 3)" }, { node })).ended;
    expect(stderr).toMatch(/, 0 collections$/);
  });

  test("with a young generation that the loop's garbage fits in collects nothing", async () => {
    const flags = ["--min-semi-space-size=64", "--max-semi-space-size=64"];
    const step = "self.kept = { n: self.n }; return when(self.n == 2000, 3)";
    const { stderr } = await (await typescript.start({ step, options: { period: 0.0001 } }, { node, flags })).ended;
    expect(stderr).toMatch(/, 0 collections$/);
  });
});
