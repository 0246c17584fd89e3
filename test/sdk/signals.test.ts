import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { NodeText } from "./languages.ts";
import type { Ended, Started } from "./support.ts";

beforeAll(buildDevicePrograms);

/** Sends a signal again and again: a node that hears two in a row may have taken them for one. */
async function insist(node: Started, signal: NodeJS.Signals): Promise<Ended> {
  const again = setInterval(() => node.kill(signal), 100);
  const ended = await node.ended;
  clearInterval(again);
  return ended;
}

describe.each(languages)("G5: signals in $name", ({ name, start, either }) => {
  /** A node that is sent a signal once it has said that it is ready. */
  const stop = async (text: NodeText, signal: NodeJS.Signals = "SIGTERM"): Promise<Ended> => {
    const node = await start(text);
    await node.printed(/ready\n/);
    node.kill(signal);
    return node.ended;
  };

  test.each(["init", "warmUp"] as const)("SIGTERM in a %s that waits skips the loop, not finalize", async (call) => {
    const ended = await stop({ [call]: 'say("ready"); return linger()' });
    expect(ended).toMatchObject({ exitCode: 0, stdout: "ready\nfinalized" });
    expect(ended.stderr).not.toContain("cycles");
  });

  test.each(["SIGTERM", "SIGINT"] as const)("%s ends the loop of a periodic node in order", async (signal) => {
    const ended = await stop({ step: 'say_when(self.n == 5, "ready"); return 0' }, signal);
    expect(ended).toMatchObject({ exitCode: 0, stdout: "ready\nfinalized" });
  });

  test("SIGTERM is heard at once in a period that is long", async () => {
    const ended = await stop({ options: { period: 3600 }, warmUp: 'say("ready"); return 0' });
    expect(ended).toMatchObject({ exitCode: 0, stdout: "ready\nfinalized" });
  });

  test("SIGTERM ends a run that looks at stopping", async () => {
    const turns = either(
      "while not self.stopping:\n    self.alive()\n    pause(1)",
      "while (!self.stopping) { self.alive(); pause(1); }",
    );
    const ended = await stop({ base: "RTNode", run: `say("ready")\n${turns}\nsay("stopping")\nreturn 0` });
    expect(ended).toMatchObject({ exitCode: 0, stdout: "ready\nstopping\nfinalized" });
  });

  test("a run that ignores SIGTERM is ended by a second one", async () => {
    const node = await start({ base: "RTNode", run: 'say("ready"); return linger()' });
    await node.printed(/ready\n/);
    expect(await insist(node, "SIGTERM")).toMatchObject({ exitCode: 0, stdout: "ready\nfinalized" });
  });

  test("SIGTERM does not cut finalize short, however often it comes", async () => {
    const finalize = 'say("finalizing"); pause(500); say("finalized"); return 8';
    const node = await start({ base: "RTNode", finalize });
    await node.printed(/finalizing\n/);
    expect(await insist(node, "SIGTERM")).toMatchObject({ exitCode: 8, stdout: "finalizing\nfinalized" });
  });

  test("a status of finalize counts when a signal ended the loop", async () => {
    const step = 'say_when(self.n == 5, "ready"); return 0';
    expect((await stop({ step, finalize: "return 8" })).exitCode).toBe(8);
  });

  test("SIGKILL leaves no time for anything", async () => {
    const ended = await stop({ step: 'say_when(self.n == 5, "ready"); return 0' }, "SIGKILL");
    expect(ended).toMatchObject({ exitCode: undefined, signal: "SIGKILL", stdout: "ready" });
  });

  if (name === "Python") {
    test("SIGTERM in an init that never blocks", async () => {
      expect(await stop({ init: 'say("ready")\nwhile True:\n    pass' })).toMatchObject({
        exitCode: 0,
        stdout: "ready\nfinalized",
      });
    });
  }
});
