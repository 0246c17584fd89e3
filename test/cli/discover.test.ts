import { expect, it } from "vitest";
import { describeBoards, listenSeconds } from "../../src/cli/discover.ts";

it.each(["0", "-1", "soon", "61", ""])("rtkit discover --timeout %j is refused", (asked) => {
  expect(() => listenSeconds(asked)).toThrow(expect.objectContaining({ code: "RTK_DISCOVER_TIMEOUT_VALUE" }));
});

it("boards are a table; those that announce nothing have only name and address", () => {
  const arm = { name: "arm.local", addresses: ["10.0.0.7", "fd00::7"], port: 22, board: "rpi4", version: "0.1.0" };
  const old = { name: "old.local", addresses: ["10.0.0.8"], port: null, board: null, version: null };
  expect(describeBoards([arm, old]).split("\n")).toEqual([
    "NAME       ADDRESS           PORT  BOARD  RTKIT",
    "arm.local  10.0.0.7 fd00::7  22    rpi4   0.1.0",
    "old.local  10.0.0.8          -     -      -",
  ]);
});

it("when none answered, what may be the cause is said", () => {
  expect(describeBoards([])).toMatch(/no board answered\n.*in this network\?.*multicast[^]*firewall[^]*5353/);
});
