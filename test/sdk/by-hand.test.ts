import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms } from "../device/support.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

/** A machine that has neither the library nor the addon. */
const bare = { env: { RTNODE_LIBRARY: "/no/such/library.so", RTNODE_ADDON: "/no/such/rtnode.node" } };

describe.each(languages)("G11: by hand, in $name", ({ start, either }) => {
  test("a node runs, and says in a line what it could not get", async () => {
    const node = await start({ options: { realtime: true, priority: 98 }, step: "return when(self.n == 4, 4)" });
    const { exitCode, stderr } = await node.ended;
    expect(exitCode).toBe(4);
    expect(stderr.split("\n").filter((line) => line.includes("not real-time"))).toEqual([
      expect.stringMatching(/^test: not real-time: .*memory is not locked; start it with rt-launch/),
    ]);
  });

  test("it keeps the time without the library too, and says so", async () => {
    const node = await start(
      {
        step: 'self.log("step " + str(self.n)); return when(self.n == 4, 4)',
        above: either("", "const str = String;"),
      },
      bare,
    );
    const { exitCode, stdout, stderr } = await node.ended;
    expect({ exitCode, stdout }).toEqual({ exitCode: 4, stdout: "finalized" });
    expect(stderr).toMatch(
      /the loop runs on timers, and topics reach nobody|Python keeps the time, and topics reach nobody/,
    );
    expect(stderr.match(/^test: step \d$/gm)).toEqual([1, 2, 3, 4].map((n) => `test: step ${n}`));
    expect(stderr).toMatch(/^test: 3 cycles, \d+ overruns; wake-up p50 \d+, p99 \d+, max \d+ µs; step p50 /m);
  });

  test.each([
    { overrun: "skip", exitCode: 9, cycles: 2, overruns: 6 },
    { overrun: "catch-up", exitCode: 9, cycles: 2, overruns: 2 },
    { overrun: "stop", exitCode: 75, cycles: 1, overruns: 1 },
  ])(
    "there steps that take too long are counted the same: $overrun",
    async ({ overrun, exitCode, cycles, overruns }) => {
      const text = {
        options: { overrun },
        step: "pause(3.5); return when(self.n == 3, 9)",
        finalize: "say(self.cycles, self.overruns); return 0",
      };
      const ended = await (await start(text, bare)).ended;
      const [counted, missed = 0] = ended.stdout.split(" ").map(Number);
      expect([ended.exitCode, counted]).toEqual([exitCode, cycles]);
      if (overrun === "skip") expect(missed).toBeGreaterThanOrEqual(overruns);
      else expect(missed).toBe(overruns);
    },
  );

  test("there a signal is heard at once in a long period, and a loop of one's own counts", async () => {
    const node = await start({ options: { period: 3600 }, warmUp: 'self.alive(); say("ready"); return 0' }, bare);
    await node.printed(/ready\n/);
    node.kill("SIGTERM");
    expect(await node.ended).toMatchObject({ exitCode: 0, stdout: "ready\nfinalized" });
    const alive = await start({ base: "RTNode", run: "self.alive(); self.alive(); return 0" }, bare);
    expect((await alive.ended).stderr).toMatch(/^test: 2 cycles, 0 overruns/m);
  });

  test("what a launcher started does not do without it", async () => {
    const node = await start({}, { env: { ...bare.env, RTNODE_LAUNCHED: "1" } });
    const { exitCode, stdout, stderr } = await node.ended;
    expect({ exitCode, stdout }).toEqual({ exitCode: 1, stdout: "" });
    expect(stderr).toMatch(/\/no\/such\/(library.so|rtnode.node): cannot open shared object file/);
  });
});
