import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { bundle, startPython, startTypeScript, writeProgram } from "./support.ts";
import type { Ended, Started } from "./support.ts";

beforeAll(buildDevicePrograms);

/** The bodies of a node's calls, in both languages; without one a call returns 0. */
interface Calls {
  readonly init?: string;
  readonly step?: string;
  readonly finalize?: string;
}

/** A Python body at the depth of a method. */
function body(text = "return 0"): string {
  return text.replaceAll("\n", "\n        ");
}

const languages = [
  {
    language: "Python",
    start: async (calls: Calls, options = "", env = {}): Promise<Started> => {
      const text = `
import os, sys, time
from rtnode import *
class Test(PeriodicNode):
    def __init__(self):
        super().__init__(period=0.001, realtime=False${options.replace("overrun: ", ", overrun=")})
        self.n = 0
    def init(self):
        ${body(calls.init)}
    def step(self):
        self.n += 1
        ${body(calls.step)}
    def finalize(self):
        print("finalized", self.cycles, self.overruns)
        ${body(calls.finalize)}
Test().main()`;
      return startPython(writeProgram("test.py", text), env);
    },
    three: "return 3 if self.n == 5 else 0",
    throws: 'raise ValueError("broken")',
    nothing: "return None",
    says: 'print("ready", flush=True)\nreturn 0',
    waits: 'print("ready", flush=True)\ntime.sleep(60)\nreturn 0',
    hangs: 'print("ready", flush=True) if self.n == 5 else None\nreturn 0',
    slow: "time.sleep(0.0035)\nreturn 9 if self.n == 3 else 0",
    unflushed: 'sys.stdout.write("-" * 1000000 + "last words")\nreturn 0',
    mute: 'os.close(2)\nraise ValueError("broken")',
    leaves: "sys.exit()",
  },
  {
    language: "TypeScript",
    start: async (calls: Calls, options = "", env = {}): Promise<Started> => {
      const text = `
import { closeSync } from "node:fs";
import { PeriodicNode } from "rtnode";
const wait = (ms) => Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, ms);
class Test extends PeriodicNode {
  n = 0;
  constructor() { super({ period: 0.001, realtime: false${options === "" ? "" : `, ${options}`} }); }
  init() { ${calls.init ?? "return 0"} }
  step() { this.n++; ${calls.step ?? "return 0"} }
  finalize() { console.log("finalized", this.cycles, this.overruns); ${calls.finalize ?? "return 0"} }
}
await new Test().main();`;
      return startTypeScript(await bundle(writeProgram("test.ts", text)), env);
    },
    three: "return this.n === 5 ? 3 : 0;",
    throws: 'throw new Error("broken");',
    nothing: "return undefined;",
    says: 'console.log("ready"); return 0;',
    waits: 'console.log("ready"); return new Promise((done) => setTimeout(done, 60_000));',
    hangs: 'if (this.n === 5) console.log("ready"); return 0;',
    slow: "wait(3.5); return this.n === 3 ? 9 : 0;",
    unflushed: 'process.stdout.write("-".repeat(1e6) + "last words"); return 0;',
    mute: 'closeSync(2); throw new Error("broken");',
    leaves: null,
  },
];

/** The numbers that finalize printed: cycles and overruns. */
function counts(stdout: string): number[] {
  return stdout.split(" ").slice(1).map(Number);
}

describe.each(languages)("a periodic node in $language", ({ start, ...say }) => {
  const end = async (calls: Calls, options = ""): Promise<Ended> => (await start(calls, options)).ended;

  test("stops with the status of a step, after finalize", async () => {
    const { exitCode, stdout } = await end({ step: say.three });
    expect(exitCode).toBe(3);
    expect(stdout).toMatch(/^finalized 4 \d+$/);
  });

  test("a status of init skips the loop, not finalize", async () => {
    const { exitCode, stdout } = await end({ init: "return 7" });
    expect({ exitCode, stdout }).toEqual({ exitCode: 7, stdout: "finalized 0 0" });
  });

  test("a status of finalize counts when there was none before", async () => {
    expect((await end({ init: "return 7", finalize: "return 8" })).exitCode).toBe(7);
    const loop = await start({ step: say.hangs, finalize: "return 8" });
    await loop.printed(/ready/);
    loop.kill("SIGTERM");
    expect((await loop.ended).exitCode).toBe(8);
  });

  test.each(["init", "step", "finalize"] as const)(
    "an exception in %s becomes status 70, reported once",
    async (call) => {
      const calls = { step: "return 1", [call]: say.throws };
      const { exitCode, stdout, stderr } = await end(
        call === "finalize" ? { init: "return 0", ...calls, step: say.three } : calls,
      );
      expect(exitCode).toBe(call === "finalize" ? 3 : 70);
      expect(stdout).toMatch(/^finalized \d+ \d+$/);
      expect(stderr.split("broken").length - 1).toBeGreaterThanOrEqual(1);
    },
  );

  test("a result that is no integer is a mistake, and said", async () => {
    const { exitCode, stderr } = await end({ init: say.nothing });
    expect(exitCode).toBe(70);
    expect(stderr).toMatch(/init returned (None|undefined); it must return an int/);
  });

  test("a status that does not fit becomes 255", async () => {
    expect((await end({ init: "return -1" })).exitCode).toBe(255);
    expect((await end({ init: "return 256" })).exitCode).toBe(255);
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s in the loop ends it in order, with status 0", async (signal) => {
    const node = await start({ step: say.hangs });
    await node.printed(/ready/);
    node.kill(signal);
    const { exitCode, stdout } = await node.ended;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/finalized \d+ \d+$/);
  });

  test("SIGTERM in an init that waits ends the node in order", async () => {
    const node = await start({ init: say.waits });
    await node.printed(/ready/);
    node.kill("SIGTERM");
    const { exitCode, stdout } = await node.ended;
    expect(exitCode).toBe(0);
    expect(stdout).toMatch(/finalized 0 0$/);
  });

  test("its last output is written", async () => {
    const { stdout } = await end({ init: "return 5", finalize: say.unflushed });
    expect(stdout.replace(/^-+/m, (dashes) => String(dashes.length))).toMatch(/^1000000last words$/m);
  });

  test("an exception that cannot be reported does not keep finalize from running", async () => {
    const { exitCode, stdout } = await end({ step: say.mute });
    expect(exitCode).toBe(70);
    expect(stdout).toMatch(/^finalized 0 \d+$/);
  });

  if (say.leaves !== null) {
    const { leaves } = say;
    test("sys.exit() without a status is status 0", async () => {
      const { exitCode, stderr } = await end({ step: leaves });
      expect({ exitCode, stderr }).toEqual({ exitCode: 0, stderr: "" });
    });
  }

  test("steps that take too long: skipped, caught up with, or the end", async () => {
    const skip = await end({ step: say.slow }, 'overrun: "skip"');
    expect(skip.exitCode).toBe(9);
    // Two steps of more than three periods each were followed by at least three missed ones.
    expect(counts(skip.stdout)[0]).toBe(2);
    expect(counts(skip.stdout)[1]).toBeGreaterThanOrEqual(6);
    const catchUp = await end({ step: say.slow }, 'overrun: "catch-up"');
    expect(counts(catchUp.stdout)).toEqual([2, 2]);
    const stop = await end({ step: say.slow }, 'overrun: "stop"');
    expect(stop.exitCode).toBe(75);
    expect(counts(stop.stdout)).toEqual([1, 1]);
  });

  test("start-up over, RLIMIT_RTTIME is what the launcher was asked for", async () => {
    const node = await start({ step: say.hangs }, "", { RTNODE_RTTIME: "5000" });
    await node.printed(/ready/);
    const limits = readFileSync(`/proc/${node.pid}/limits`, "utf8");
    node.kill("SIGTERM");
    await node.ended;
    expect(limits).toMatch(/^Max realtime timeout +5000 +10000 /m);
  });
});
