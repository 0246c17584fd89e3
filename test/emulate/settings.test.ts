import { expect, it } from "vitest";
import type { NodeConfig } from "../../src/config/model.ts";
import { machineSize, timeoutSeconds } from "../../src/emulate/settings.ts";
import { emulatedBoard } from "./board.ts";

function pinned(name: string, cpus: readonly number[]): NodeConfig {
  return {
    name,
    entry: `/nodes/${name}.py`,
    runtime: "python",
    args: [],
    env: {},
    schedule: { policy: "fifo", priority: 40, cpus },
    memory: { lock: true, stack: 0, heap: 0 },
    limits: { rttime: null },
    restart: "no",
    watchdog: null,
    expect: {},
    after: [],
    groups: [],
  };
}

const project = { board: emulatedBoard("arm64"), nodes: [pinned("imu", []), pinned("joint", [2, 3])] };

it("is the board's own unless asked for something else", () => {
  expect(machineSize(project, {})).toEqual({ cpus: 4, memory: 1024 ** 3 });
  expect(machineSize(project, { cpus: "6", memory: "512M" })).toEqual({ cpus: 6, memory: 512 * 1024 ** 2 });
});

it.each(["0", "-1", "two", "1.5", ""])("refuses --cpus %s", (cpus) => {
  expect(() => machineSize(project, { cpus })).toThrow(
    expect.objectContaining({ code: "RTK_EMULATE_CPUS", exitStatus: 2 }),
  );
});

it("refuses to leave out a CPU that a node runs on", () => {
  expect(() => machineSize(project, { cpus: "3" })).toThrow(
    expect.objectContaining({
      code: "RTK_EMULATE_CPUS",
      message: "node joint runs on CPU 3, which --cpus 3 leaves out",
      hint: "CPUs are numbered from 0: say --cpus 4 or more",
      exitStatus: 2,
    }),
  );
});

it.each(["0", "much", "-1G"])("refuses --memory %s", (memory) => {
  expect(() => machineSize(project, { memory })).toThrow(
    expect.objectContaining({ code: "RTK_EMULATE_MEMORY_SIZE", exitStatus: 2 }),
  );
});

it("takes --timeout in seconds, and nothing else", () => {
  expect(timeoutSeconds("300")).toBe(300);
  for (const asked of ["0", "-1", "soon", "5min", "1e9"]) {
    expect(() => timeoutSeconds(asked)).toThrow(
      expect.objectContaining({ code: "RTK_EMULATE_TIMEOUT_VALUE", exitStatus: 2 }),
    );
  }
});
