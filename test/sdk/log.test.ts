import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, run } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

const canTrace = (await run(["strace", "-o", "/dev/null", "true"])).status === 0;

/** What librtnode asks in every turn of a loop. */
const IN_LOOP: ReadonlySet<string> = new Set(["clock_nanosleep", "getrusage"]);

describe.each(languages)("G4: output of the loop in $name", ({ start, either }) => {
  test("goes through a ring to standard error, in order, and before the node ends", async () => {
    const text = {
      above: either("", "const str = String;"),
      step: 'self.log("µ " + str(self.n)); return when(self.n == 50, 3)',
    };
    const { stderr } = await (await start(text)).ended;
    const logged = stderr.split("\n").filter((line) => line.startsWith("test: µ"));
    expect(logged).toEqual(Array.from({ length: 50 }, (_, index) => `test: µ ${index + 1}`));
  });

  test("appears while the loop goes on", async () => {
    const node = await start({ step: 'self.log("here"); return 0' });
    await node.said(/^test: here$/m);
    node.kill("SIGTERM");
    expect((await node.ended).exitCode).toBe(0);
  });

  test("that the ring has no room for is lost, and that is said", async () => {
    const lines = either(
      'lost = sum(self.log("x" * 1000) < 0 for _ in range(1000))',
      'let lost = 0; for (let i = 0; i < 1000; i++) lost += self.log("x".repeat(1000)) < 0 ? 1 : 0;',
    );
    const { stdout, stderr } = await (await start({ base: "RTNode", run: `${lines}\nsay(lost); return 0` })).ended;
    const [lost = 0] = stdout.split("\n").map(Number);
    expect(lost).toBeGreaterThan(0);
    expect(stderr.match(/^test: x{1000}$/gm)).toHaveLength(1000 - lost);
    const said = [...stderr.matchAll(/^rtnode: (\d+) lines of the log found no room$/gm)].map(([, count]) =>
      Number(count),
    );
    expect(said.reduce((sum, count) => sum + count, 0)).toBe(lost);
  });

  test.skipIf(!canTrace)(
    "of a step, and its topics, ask the kernel for nothing but to sleep and to count",
    async () => {
      const trace = join(scratchDir("rtnode-trace-"), "trace");
      const turn = 'self.out.publish(); self.back.receive(); self.log("hello")';
      const text = {
        init: `self.out = make(Publisher, "a", {"x": "f64"}); self.back = make(Subscriber, "a", {"x": "f64"}); return 0`,
        // V8 compiles what runs often, and asks for memory then.
        warmUp: either("return 0", "for (let i = 0; i < 50_000; i++) self.step(); self.n = 0; return 0"),
        step: `${turn}; return when(self.n == 20, 3)`,
      };
      const node = await start(text, { before: ["strace", "-o", trace] });
      expect((await node.ended).exitCode).toBe(3);
      const calls = readFileSync(trace, "utf8")
        .split("\n")
        .map((line) => line.split("(")[0] ?? "");
      const last = calls.lastIndexOf("clock_nanosleep");
      const before = calls.findLastIndex((call, index) => index < last && !IN_LOOP.has(call));
      // The first wait, too: nothing is left for the first step to do.
      expect(calls.slice(before, last + 1).filter((call) => call === "clock_nanosleep").length).toBeGreaterThanOrEqual(
        20,
      );
    },
  );
});
