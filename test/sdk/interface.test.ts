import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { rtkitRoot } from "../../src/core/paths.ts";
import { buildDevicePrograms, run } from "../device/support.ts";
import type { BaseNode, PeriodicNode, RTNode } from "../../src/sdk/typescript/index.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

describe.each(languages)("G10: a node's class in $name", ({ start, either }) => {
  test.each([
    ["period", 0, "period is a number of seconds above 0, not 0"],
    ["period", 1e-10, "period is a number of seconds above 0, not 1e-10"],
    ["period", 1e10, /period is a number of seconds above 0, not 1(e10|0{10})/],
    ["overrun", "sometimes", /overrun is skip, catch-up or stop, not '?sometimes/],
    ["policy", "other", /policy is fifo or rr, not '?other/],
    ["priority", 0, "priority is from 1 to 98, not 0"],
    ["priority", 99, "priority is from 1 to 98, not 99"],
  ])("refuses %s: %s", async (word, value, message) => {
    const { exitCode, stdout, stderr } = await (await start({ options: { [word]: value } })).ended;
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(message);
  });

  test("has what it was told, and what it is by default", async () => {
    const members =
      "self.period, self.overrun, self.realtime, self.priority, self.cycles, self.overruns, self.stopping";
    const told = { realtime: true, priority: 20, overrun: "catch-up", period: 0.5 };
    const node = await start({ options: told, init: `say(${members}); return 1` });
    const [yes, no] = either(["True", "False"], ["true", "false"]);
    expect((await node.ended).stdout).toBe(`0.5 catch-up ${yes} 20 0 0 ${no}\nfinalized`);
  });

  test("warms up after init and before anything counts", async () => {
    const calls = ["init", "warmUp", "step"].map((call) => [
      call,
      `say("${call}"); return when("${call}" == "step", 1)`,
    ]);
    const { stdout } = await (await start(Object.fromEntries(calls))).ended;
    expect(stdout).toBe("init\nwarmUp\nstep\nfinalized");
  });
});

describe("G10: abstract", () => {
  const [python] = languages;

  test.each([
    ["BaseNode", "finalize, init, run"],
    ["RTNode", "finalize, init, run"],
    ["PeriodicNode", "finalize, init, step"],
  ])("Python's %s without %s", async (name, methods) => {
    const above = `${name}()`;
    const ended = await python
      ?.start({ above: above.replace("PeriodicNode()", "PeriodicNode(1)") })
      .then((n) => n.ended);
    const [first, second, third] = methods.split(", ").map((method) => `'?${method}'?`);
    expect(ended?.stderr).toMatch(new RegExp(`abstract.* ${first}, ${second}, ${third}`));
  });

  test("TypeScript's, which the compiler refuses", () => {
    const classes = {} as { base: typeof BaseNode; realtime: typeof RTNode; periodic: typeof PeriodicNode };
    // @ts-expect-error it is abstract
    expect(() => new classes.base()).toThrow();
    // @ts-expect-error it is abstract
    expect(() => new classes.realtime()).toThrow();
    // @ts-expect-error it is abstract
    expect(() => new classes.periodic({ period: 1 })).toThrow();
  });
});

test("Python's SDK is written in the language of Python 3.9", async () => {
  const check = `
import ast, pathlib, sys
for file in pathlib.Path(sys.argv[1]).glob("**/*.py"):
    ast.parse(file.read_text(encoding="utf-8"), str(file), feature_version=(3, 9))
    print(file.name)`;
  const folder = join(rtkitRoot, "src", "sdk", "python", "rtnode");
  expect((await run(["/usr/bin/python3", "-c", check, folder])).stdout.split("\n")).toContain("_node.py");
});

test("G3: a node with __slots__ of its own has no dictionary, since the SDK's classes have none", async () => {
  const above = `
class Slots(PeriodicNode):
    __slots__ = ("mine",)
    init = step = finalize = lambda self: 0
say(hasattr(Slots(period=1), "__dict__"))`;
  expect((await (await languages[0]?.start({ above, step: "return 1" }))?.ended)?.stdout).toBe("False\nfinalized");
});
