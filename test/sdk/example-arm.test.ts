import { execa } from "execa";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import { MinimumJerk } from "../../examples/arm/nodes/trajectory.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { bundle, startPython, startTypeScript } from "./support.ts";

const nodes = join(rtkitRoot, "examples", "arm", "nodes");

beforeAll(buildDevicePrograms);

test("a move starts and ends at rest, where it was told to", () => {
  const move = new MinimumJerk();
  move.start(0.5, -1, 2);
  const at = (seconds: number): number[] => {
    move.sample(seconds);
    return [move.position, move.velocity];
  };
  expect(at(0)[0]).toBe(0.5);
  expect(at(1)[0]).toBeCloseTo(-0.25);
  expect(at(2)[0]).toBeCloseTo(-1);
  expect(at(9)[0]).toBeCloseTo(-1);
  for (const still of [0, 2, 9]) expect(at(still)[1]).toBeCloseTo(0);
});

test("the joint comes to where the planner leads it, whichever node starts first, and again after a restart", async () => {
  const env = { RTNODE_RUNTIME_DIR: scratchDir("arm-") };
  const planner = startTypeScript(await bundle(join(nodes, "planner.ts")), env);
  await planner.printed(/waiting for the controller/);
  const controller = startPython(join(nodes, "controller.py"), env);
  // The last figure is how far off the joint is, in rad.
  await planner.said(/way-point 1 of 3: joint at 1\.\d+ rad, 0\.0\d+ rad off/);
  controller.kill("SIGTERM");
  expect(await controller.ended).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^controller: \d+ cycles, /),
  });
  await planner.said(/the controller is silent/);
  const second = startPython(join(nodes, "controller.py"), env);
  await planner.said(/silent[^]*way-point 1 of 3: joint at 1\.\d+ rad, 0\.0\d+ rad off/);
  planner.kill("SIGTERM");
  second.kill("SIGTERM");
  expect(await planner.ended).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/planner: \d+ cycles, \d+ overruns$/),
  });
  expect((await second.ended).exitCode).toBe(0);
});

test("it type-checks", async () => {
  await execa(join(rtkitRoot, "node_modules", ".bin", "tsc"), ["-p", join(rtkitRoot, "examples", "arm")]);
});
