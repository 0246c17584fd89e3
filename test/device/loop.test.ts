import * as fc from "fast-check";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { scratchDir } from "../scratch.ts";
import { compileWith, compileWithFakeClock } from "./compile.ts";
import { answersOf, drive } from "./driver.ts";
import { courseOf, policies } from "./loop-model.ts";
import { readStats } from "./stats-file.ts";
import { buildDevicePrograms } from "./support.ts";

let fake = "";
let real = "";
const dir = scratchDir("rtnode-loop-");
const env = { RTNODE_RUNTIME_DIR: dir };

beforeAll(async () => {
  await buildDevicePrograms();
  [fake, real] = await Promise.all([compileWithFakeClock(["driver.c"]), compileWith("librtnode.so", ["driver.c"])]);
});

const MS = 1_000_000;
/** The number of a policy in enum rtnode_overrun. */
const [SKIP, CATCH_UP, STOP] = [0, 1, 2];

function sum(values: readonly number[]): number {
  return values.reduce((all, value) => all + value, 0);
}

/** What the driver answers to commands, with the clock that the test moves, and at the end of `end` what it came to. */
async function course(script: string): Promise<{ answers: string; summary: unknown }> {
  const said = await answersOf(fake, script.split(", "), env);
  const ended = said.at(-1)?.startsWith("{") === true;
  return {
    answers: (ended ? said.slice(0, -1) : said).join(" "),
    summary: ended ? JSON.parse(said.at(-1) ?? "") : undefined,
  };
}

describe("the loop, with a clock that the test moves", () => {
  test("keeps its rhythm, counts and measures as the rules say, whatever the steps take", async () => {
    const share = fc.double({ min: 0, max: 1, noNaN: true });
    const runs = fc.record({
      period: fc.integer({ min: 1, max: 100 * MS }),
      policy: fc.constantFrom(...policies),
      steps: fc.array(fc.record({ takes: share, late: share }), { minLength: 1, maxLength: 40 }),
    });
    await fc.assert(
      fc.asyncProperty(runs, async ({ period, policy, steps }) => {
        // Most steps fit, some take up to five periods; now and then the kernel is late by as much.
        const times = steps.map(({ takes, late }) => ({
          takes: Math.floor(takes ** 4 * 5 * period),
          late: Math.floor(late ** 8 * 3 * period),
        }));
        const expected = courseOf(period, policy, times);
        const turns = expected.executions.map((takes, index) => `late ${times[index]?.late}, wait, pass ${takes}`);
        const begin = `begin property, loop ${period} ${policies.indexOf(policy)}`;
        const { answers, summary } = await course(`${begin}, ${turns.join(", ")}, late 0, wait, end`);
        const waits = answers
          .split(" ")
          .slice(2)
          .filter((_, index) => index % 3 === 1);
        expect(waits.slice(0, expected.answers.length)).toEqual(expected.answers.map(String));
        const { cycles, overruns, executions, wakeups } = expected;
        expect(summary).toMatchObject({ cycles, overruns });
        const stats = readStats(join(dir, "property.stats"));
        expect(stats.execution).toMatchObject({ count: cycles, sum: sum(executions), max: Math.max(...executions) });
        // The last wait begins one step more, which may have been waited for; it woke at the right time.
        expect(stats.wakeup.sum).toBe(sum(wakeups));
        expect(stats.wakeup.count - wakeups.length).toBeOneOf([0, 1]);
      }),
      { numRuns: 150 },
    );
  });

  test("skip: missed steps are told once, and the next one is due in the old rhythm", async () => {
    const { answers, summary } = await course(
      `begin a, loop ${10 * MS} ${SKIP}, wait, pass ${35 * MS}, wait, wait, pass 0, wait, end`,
    );
    expect(answers).toBe("0 0 0 0 3 0 0 0");
    expect(summary).toMatchObject({ cycles: 3, overruns: 3 });
  });

  test("catch-up: missed steps are run at once, and those are no wake-ups", async () => {
    const { answers, summary } = await course(
      `begin a, loop ${10 * MS} ${CATCH_UP}, late 7000, wait, pass ${35 * MS}, wait, wait, wait, wait, end`,
    );
    expect(answers).toBe("0 0 0 0 0 1 1 1 0");
    expect(summary).toMatchObject({ cycles: 4, overruns: 3, wakeup: { max: 7 } });
    expect(readStats(join(dir, "a.stats")).wakeup.count).toBe(2);
  });

  test("stop: says so, and goes on like catch-up when it is called again", async () => {
    const { answers, summary } = await course(
      `begin a, loop ${10 * MS} ${STOP}, wait, pass ${15 * MS}, wait, wait, wait, end`,
    );
    expect(answers).toBe("0 0 0 0 ETIME 1 0");
    expect(summary).toMatchObject({ cycles: 2, overruns: 1 });
  });

  test("a step that ends exactly when the next one is due is late for it", async () => {
    const { answers } = await course(`loop ${10 * MS} ${SKIP}, wait, pass ${10 * MS - 1}, wait, pass ${10 * MS}, wait`);
    expect(answers).toBe("0 0 0 0 0 1");
  });

  test("a signal ends the wait, and the next call goes on with it: due and missed steps are kept", async () => {
    const { answers, summary } = await course(
      `begin a, loop ${10 * MS} ${SKIP}, wait, pass ${25 * MS}, interrupt 1000, wait, interrupt 1000, wait, wait, end`,
    );
    expect(answers).toBe("0 0 0 0 0 EINTR 0 EINTR 2");
    expect(summary).toMatchObject({ cycles: 1, overruns: 2, wakeup: { max: 0 } });
    expect(readStats(join(dir, "a.stats")).wakeup.count).toBe(2);
  });

  test("a long wait is interrupted every 100 ms, for a signal that came just before it", async () => {
    const { answers, summary } = await course(
      `begin a, loop ${250 * MS} ${SKIP}, late 5000, wait, wait, wait, wait, wait, wait, end`,
    );
    expect(answers).toBe("0 0 0 EINTR EINTR 0 EINTR EINTR 0");
    expect(summary).toMatchObject({ cycles: 1, wakeup: { max: 5 } });
  });
});

describe("the loop, with the time as it is", () => {
  test("waits, and does not begin early", async () => {
    const said = await answersOf(real, ["begin b", `loop ${2 * MS} ${SKIP}`, "turns 20", "end"], env);
    expect(said.slice(0, 2)).toEqual(["0", "0"]);
    const { wakeup, execution } = readStats(join(dir, "b.stats"));
    // An early one would be less than nothing, which is very much.
    expect(wakeup.max).toBeLessThan(60_000 * MS);
    expect(execution.count).toBe(19);
  });

  test("is ended by a real signal", async () => {
    const driver = drive([real], env);
    expect(await driver.tell(`loop ${90 * MS} ${SKIP}`)).toBe("0");
    const signals = setInterval(() => driver.kill("SIGUSR1"), 5);
    expect(await driver.tell("wait")).toBe("EINTR");
    clearInterval(signals);
    await driver.end();
  });

  test.each([
    { policy: SKIP, second: /^([3-9]|\d\d+)$/ },
    { policy: CATCH_UP, second: /^1$/ },
    { policy: STOP, second: /^ETIME$/ },
  ])("steps that take too long: missed, caught up with, or the end ($policy)", async ({ policy, second }) => {
    const commands = ["begin c", `loop ${2 * MS} ${policy}`, "wait", `pass ${7 * MS}`, "wait", "end"];
    expect((await answersOf(real, commands, env))[4]).toMatch(second);
  });
});

describe("counting", () => {
  test("begins where it is begun, and ends where it is ended", async () => {
    const uncounted = ["collection", "alive", "alive"];
    const said = await answersOf(fake, [...uncounted, "begin a", "collection", "alive", "end", ...uncounted], env);
    expect(JSON.parse(said[6] ?? "")).toMatchObject({ cycles: 1, collections: 1 });
  });

  test("begins once, ends once, and may then begin anew", async () => {
    const said = await answersOf(fake, ["end", "begin a", "begin b", "alive", "end", "end", "begin a", "end"], env);
    expect(said).toEqual([
      "EINVAL",
      "0",
      "EALREADY",
      "0",
      expect.stringContaining('"cycles":1'),
      "EINVAL",
      "0",
      expect.stringContaining('"cycles":0'),
    ]);
  });

  test("goes on without a file, from nothing, when there can be none", async () => {
    const rehearsal = [`loop ${MS} ${SKIP}`, "wait", "wait", "wait"];
    const nowhere = { RTNODE_RUNTIME_DIR: join(dir, "none") };
    const said = await answersOf(fake, [...rehearsal, "begin a", "alive", "end"], nowhere);
    expect(said.slice(-3)).toEqual(["ENOENT", "0", expect.stringContaining('"cycles":1,"overruns":0')]);
    expect(JSON.parse(said.at(-1) ?? "")).toMatchObject({ execution: { max: 0 }, wakeup: { max: 0 } });
  });

  test.each(["", "a/b", "../a", ".a", "a b".replace(" ", "\t"), "ä", "x".repeat(64)])(
    "refuses the name %j",
    async (name) => {
      expect(await answersOf(fake, [`begin ${name || "/"}`], env)).toEqual(["EINVAL"]);
    },
  );

  test("refuses a loop without a period, or with a policy that is none, and a wait without a loop", async () => {
    const said = await answersOf(
      fake,
      ["wait", "loop 0 0", "loop 9223372036854775808 0", "loop 1000 3", "loop 1000 -1", "wait"],
      env,
    );
    expect(said).toEqual(Array.from({ length: 6 }, () => "EINVAL"));
  });

  test("counts the garbage that a collector finds later, and the lines that the log had no room for", async () => {
    await answersOf(fake, ["begin d", "log-long 65536", "log-long 65536", "alive", "end", "garbage 7"], env);
    expect(readStats(join(dir, "d.stats")).counters).toMatchObject({ garbage: 7, lostLines: 2, state: 2 });
  });
});
