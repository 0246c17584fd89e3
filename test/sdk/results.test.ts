import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { NodeText } from "./languages.ts";
import type { Ended } from "./support.ts";

beforeAll(buildDevicePrograms);

/** How often the exception of `fail()` was told. */
function reports({ stderr }: Ended): number {
  return stderr.split("Error: broken").length - 1;
}

/** A periodic node with `body` in one of its calls; its step ends it, so that every call has its turn. */
function inCall(call: "init" | "warmUp" | "step" | "finalize", body: string): NodeText {
  const plain = { init: 'say("init"); return 0', step: "return when(self.n == 3, 3)", finalize: "return 0" };
  const text = { ...plain, [call]: body };
  return { ...text, finalize: `say("finalized"); ${text.finalize}` };
}

describe.each(languages)("G5: results in $name", ({ name, start, either }) => {
  const end = async (text: NodeText): Promise<Ended> => (await start(text)).ended;

  test.each(["init", "warmUp", "step"] as const)("a status of %s skips what follows, not finalize", async (call) => {
    const { exitCode, stdout, stderr } = await end(inCall(call, "return 7"));
    expect(exitCode).toBe(7);
    expect(stdout).toMatch(/finalized$/);
    expect(stderr.includes("cycles")).toBe(call === "step");
  });

  test("a status of run ends the node", async () => {
    expect(await end({ base: "RTNode", run: "return 7" })).toMatchObject({ exitCode: 7, stdout: "finalized" });
  });

  test("a status of finalize counts when there was none before", async () => {
    expect((await end({ base: "RTNode", finalize: "return 8" })).exitCode).toBe(8);
    expect((await end({ init: "return 7", finalize: "return 8" })).exitCode).toBe(7);
  });

  test.each(["init", "warmUp", "step"] as const)(
    "an exception in %s becomes status 70, is told once, and finalize runs",
    async (call) => {
      const ended = await end(inCall(call, "fail(); return 0"));
      expect(ended).toMatchObject({ exitCode: 70, stdout: expect.stringMatching(/finalized$/) });
      expect(reports(ended)).toBe(1);
    },
  );

  test("an exception in run, the same", async () => {
    const ended = await end({ base: "RTNode", run: "fail(); return 0" });
    expect(ended).toMatchObject({ exitCode: 70, stdout: "finalized" });
    expect(reports(ended)).toBe(1);
  });

  test("an exception in finalize is told once, and counts when there was no status before", async () => {
    const step = await end(inCall("finalize", "fail(); return 0"));
    expect(step.exitCode).toBe(3);
    expect(reports(step)).toBe(1);
    const alone = await end({ base: "RTNode", finalize: "fail(); return 0" });
    expect(alone.exitCode).toBe(70);
    expect(reports(alone)).toBe(1);
  });

  test("a result that is no integer is a mistake of its call, and said", async () => {
    const nothing = either("return None", "return undefined");
    for (const [call, said] of [
      ["init", "init"],
      ["warmUp", either("warm_up", "warmUp")],
      ["step", either("run", "step")],
    ] as const) {
      const { exitCode, stdout, stderr } = await end(inCall(call, nothing));
      expect(exitCode).toBe(70);
      expect(stdout).toMatch(/finalized$/);
      expect(stderr).toContain(`${said} returned ${either("None", "undefined")}; it must return an int`);
    }
    expect((await end(inCall("step", "return 1.5"))).stderr).toContain("returned 1.5; it must return an int");
  });

  test("a status that does not fit becomes 255", async () => {
    expect((await end({ init: "return -1" })).exitCode).toBe(255);
    expect((await end({ init: "return 256" })).exitCode).toBe(255);
  });

  test("a library that leaves the process on its own does not keep finalize from running", async () => {
    const above = either("import sys\nleave = sys.exit", "const leave = process.exit;");
    for (const call of ["init", "step"] as const) {
      const ended = await end({ above, ...inCall(call, "leave(9); return 0") });
      expect(ended).toMatchObject({ exitCode: 9, stdout: expect.stringMatching(/finalized$/) });
    }
  });

  if (name === "TypeScript") {
    test.each(["throw new Error('broken')", "Promise.reject(new Error('broken'))"])(
      "an exception of a callback, %s, becomes status 70, is told once, and does not cut finalize short",
      async (callback) => {
        const ended = await end({
          base: "RTNode",
          run: `setInterval(() => { ${callback}; }, 1); return linger()`,
          finalize: 'return new Promise((done) => setTimeout(() => { say("finalized"); done(0); }, 100));',
        });
        expect(ended).toMatchObject({ exitCode: 70, stdout: "finalized" });
        expect(reports(ended)).toBe(1);
        expect(ended.stderr).toContain("test: a callback: Error: broken");
      },
    );

    test("an async step is a mistake, and said", async () => {
      const { exitCode, stderr } = await end({ step: "return Promise.resolve(0)" });
      expect(exitCode).toBe(70);
      expect(stderr).toContain("step returned [object Promise]; it must return an integer, at once");
    });

    test("a run that waits for nothing is ended by Node, after finalize", async () => {
      const ended = await end({ base: "RTNode", run: "return new Promise(() => {})" });
      expect(ended).toMatchObject({ exitCode: 13, stdout: "finalized" });
    });
  }
});
