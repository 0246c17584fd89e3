import { readdirSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { ENDED, readStats, RUNNING } from "../device/stats-file.ts";
import { buildDevicePrograms } from "../device/support.ts";
import { scratchDir } from "../scratch.ts";
import { languages } from "./languages.ts";

beforeAll(buildDevicePrograms);

const LINE = new RegExp(
  "^test: (?<cycles>\\d+) cycles, (?<overruns>\\d+) overruns; " +
    "wake-up p50 \\d+, p99 \\d+, max (?<wakeup>\\d+) µs; step p50 \\d+, p99 \\d+, max (?<execution>\\d+) µs; " +
    "(?<minorFaults>\\d+) minor faults, (?<majorFaults>\\d+) major faults, " +
    "(?<involuntarySwitches>\\d+) involuntary switches, (?<migrations>\\d+) migrations, (?<collections>\\d+) collections$",
);

describe.each(languages)("statistics in $name", ({ start, either }) => {
  test("are one line on standard error and a file, which say the same", async () => {
    const dir = scratchDir("rtnode-run-");
    const text = { options: { period: 0.005 }, step: "return when(self.n == 20, 3)" };
    const node = await start(text, { env: { RTNODE_RUNTIME_DIR: dir } });
    const { stderr } = await node.ended;
    const { wakeup, execution, ...line } = LINE.exec(stderr)?.groups ?? {};
    expect(readdirSync(dir)).toEqual(["test.stats"]);
    const stats = readStats(join(dir, "test.stats"));
    expect(stats).toMatchObject({ magic: "rtnstat1", pid: node.pid });
    expect(stats.identity).toMatch(/^[0-9a-f-]{36}:test:([0-9a-f]{2}:){5}[0-9a-f]{2}$/);
    expect(stats.counters).toMatchObject(
      Object.fromEntries(Object.entries(line).map(([name, count]) => [name, Number(count)])),
    );
    // The step that ended the loop is not in it.
    expect(stats.counters).toMatchObject({ state: ENDED, period: 5_000_000, cycles: 19 });
    expect([wakeup, execution]).toEqual([stats.wakeup, stats.execution].map(({ max }) => (max / 1000).toFixed(0)));
    expect([stats.wakeup.count + (stats.counters["overruns"] ?? 0) >= 20, stats.execution.count]).toEqual([true, 19]);
  });

  test("can be read while the node runs, and of one that was killed", async () => {
    const dir = scratchDir("rtnode-run-");
    const node = await start(
      { step: 'say_when(self.n == 20, "ready"); return 0' },
      { env: { RTNODE_RUNTIME_DIR: dir } },
    );
    await node.printed(/ready\n/);
    const running = readStats(join(dir, "test.stats"));
    node.kill("SIGKILL");
    await node.ended;
    const killed = readStats(join(dir, "test.stats"));
    expect(running.counters["state"]).toBe(RUNNING);
    expect(killed.counters["state"]).toBe(RUNNING);
    expect(killed.counters["cycles"]).toBeGreaterThanOrEqual(19);
    expect(killed.pid).toBe(node.pid);
  });

  test("of a run of one's own count what alive() is told", async () => {
    const alive = "self.alive(); self.alive(); self.alive()";
    const { stderr } = await (
      await start({ base: "RTNode", warmUp: `${alive}; return 0`, run: `${alive}; return 0` })
    ).ended;
    expect(stderr).toMatch(/^test: 3 cycles, 0 overruns; \d+ minor faults, /);
  });

  test("that cannot be published are counted all the same, and that is said", async () => {
    const node = await start(
      { step: "return when(self.n == 4, 3)" },
      { env: { RTNODE_RUNTIME_DIR: "/no/such/folder" } },
    );
    const { exitCode, stderr } = await node.ended;
    expect(exitCode).toBe(3);
    const reason = either("No such file or directory", "ENOENT");
    expect(stderr).toMatch(new RegExp(`^test: statistics are not published: ${reason}\ntest: 3 cycles, `));
  });

  test.each([
    { overrun: "skip", cycles: 2, overruns: 6 },
    { overrun: "catch-up", cycles: 2, overruns: 2 },
    { overrun: "stop", cycles: 1, overruns: 1 },
  ])("of steps that take too long: $overrun", async ({ overrun, cycles, overruns }) => {
    const text = {
      options: { overrun },
      step: "pause(3.5); return when(self.n == 3, 9)",
      finalize: "say(self.cycles, self.overruns); return 0",
    };
    const { exitCode, stdout } = await (await start(text)).ended;
    expect(exitCode).toBe(overrun === "stop" ? 75 : 9);
    const [counted = 0, missed = 0] = stdout.split(" ").map(Number);
    expect(counted).toBe(cycles);
    // Each of two steps of more than three periods is followed by at least three missed ones.
    if (overrun === "skip") expect(missed).toBeGreaterThanOrEqual(overruns);
    else expect(missed).toBe(overruns);
  });
});
