import { execa } from "execa";
import { join } from "node:path";
import { beforeAll, expect, test } from "vitest";
import {
  isJointState,
  JOINT_STATE_SIZE,
  jointState,
  packSetPoint,
  SET_POINT_SIZE,
} from "../../examples/arm/nodes/messages.ts";
import { MinimumJerk } from "../../examples/arm/nodes/trajectory.ts";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms } from "../device/support.ts";
import { bundle, startPython, startTypeScript } from "./support.ts";
import { scratchDir } from "../scratch.ts";

const nodes = join(rtkitRoot, "examples", "arm", "nodes");

beforeAll(buildDevicePrograms);

async function python(script: string): Promise<string> {
  const { stdout } = await execa("/usr/bin/python3", ["-c", script], { env: { PYTHONPATH: nodes } });
  return stdout;
}

test("both sides read and write the same layout", async () => {
  const setPoint = new Uint8Array(SET_POINT_SIZE);
  packSetPoint(new DataView(setPoint.buffer), 4_000_000_000, 1.25, -0.5);
  const hex = Buffer.from(setPoint).toString("hex");
  const read = `from arm.messages import *\nb=bytes.fromhex("${hex}")\nprint(*unpack_set_point(b,len(b)),unpack_set_point(b,23))`;
  expect(await python(read)).toBe("4000000000 1.25 -0.5 None");

  const write = "from arm.messages import *\nb=bytearray(64)\nn=pack_joint_state(b,7,0.1,-0.2,3.5)\nprint(b[:n].hex())";
  const state = Buffer.from(await python(write), "hex");
  const view = new DataView(state.buffer, state.byteOffset, state.length);
  expect(state.length).toBe(JOINT_STATE_SIZE);
  expect(isJointState(view, state.length)).toBe(true);
  expect(isJointState(view, SET_POINT_SIZE)).toBe(false);
  expect([jointState.position(view), jointState.velocity(view), jointState.effort(view)]).toEqual([0.1, -0.2, 3.5]);
});

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
  await planner.printed(/way-point 1 of 3: joint at 1\.\d+ rad, 0\.0\d+ rad off/);
  controller.kill("SIGTERM");
  expect(await controller.ended).toMatchObject({
    exitCode: 0,
    stdout: expect.stringMatching(/^controller: \d+ cycles, /),
  });
  await planner.printed(/the controller is silent/);
  const second = startPython(join(nodes, "controller.py"), env);
  await planner.printed(/silent[^]*way-point 1 of 3: joint at 1\.\d+ rad, 0\.0\d+ rad off/);
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
