import { readFileSync } from "node:fs";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, mayBeRealtime } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { Language, NodeText } from "./languages.ts";
import type { Ended } from "./support.ts";

beforeAll(buildDevicePrograms);

const realtime = await mayBeRealtime();
const fifo = ["chrt", "--reset-on-fork", "--fifo", "10"];

/** A real-time node whose limit is so many microseconds. */
async function end({ start }: Language, text: NodeText, limit: string): Promise<Ended> {
  return (await start(text, { env: { RTNODE_RTTIME: limit }, before: fifo })).ended;
}

describe.each(languages)("rttime in $name", (language) => {
  const { start, either } = language;

  test("is the limit once start-up is over", async () => {
    const text = { step: 'say_when(self.n == 5, "ready"); return 0' };
    const node = await start(text, { env: { RTNODE_RTTIME: "5000" } });
    await node.printed(/ready\n/);
    const limits = readFileSync(`/proc/${node.pid}/limits`, "utf8");
    node.kill("SIGTERM");
    await node.ended;
    expect(limits).toMatch(/^Max realtime timeout +5000 +10000 /m);
  });

  describe.skipIf(!realtime)("for a real-time node", () => {
    test("does not end it while what init made is collected", async () => {
      const init = either(
        "self.kept = [[i] for i in range(600000)]; return 0",
        "self.kept = Array.from({ length: 600_000 }, (_, i) => [i]); return 0",
      );
      const ended = await end(language, { init, step: "return when(self.n == 3, 3)" }, "10000");
      expect(ended).toMatchObject({ exitCode: 3, stdout: "finalized" });
    });

    test("leaves finalize all the time it needs", async () => {
      const finalize = 'burn(500); say("finalized"); return 0';
      const ended = await end(language, { step: "return when(self.n == 3, 3)", finalize }, "50000");
      expect(ended).toMatchObject({ exitCode: 3, stdout: "finalized" });
    });

    test("ends a step that never ends", async () => {
      const ended = await end(language, { step: "burn(30000); return 0" }, "50000");
      // JavaScript cannot be interrupted but by the end of the process.
      expect(ended).toMatchObject(
        either({ exitCode: 70, stdout: "finalized" }, { exitCode: undefined, signal: "SIGXCPU", stdout: "" }),
      );
      expect(ended.stderr).toMatch(either(/ran longer without blocking than its rttime allows \(SIGXCPU\)/, /^$/));
    });
  });
});

test.skipIf(!realtime)("rttime does not end a Python node that has much garbage to count", async () => {
  const step = `
for _ in range(10000):
    cycle = []
    cycle.append(cycle)
return when(self.n == 100, 3)`;
  const [python] = languages as [Language];
  const ended = await end(python, { step }, "20000");
  expect(ended).toMatchObject({ exitCode: 3, stdout: "finalized" });
  expect(ended.stderr).toContain("test: 1000000 objects in cycles, ");
});
