import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { buildDevicePrograms, deviceDir, mayBeRealtime, scheduling } from "../device/support.ts";
import { languages } from "./languages.ts";
import type { NodeText } from "./languages.ts";
import type { Ended, Started } from "./support.ts";

beforeAll(buildDevicePrograms);

/** Only where this user may have real-time policies. */
const realtimeTest = test.skipIf(!(await mayBeRealtime()));

const launcher = join(deviceDir, "rt-launch");
const fifo10 = [launcher, "--policy", "fifo", "--priority", "10"];
/** Takes the right to real-time policies away: from root a capability, from others what a limit allows. */
const powerless = [
  "prlimit",
  "--rtprio=0:0",
  ...(process.getuid?.() === 0 ? ["setpriv", "--bounding-set=-sys_nice", "--inh-caps=-sys_nice"] : []),
];

/** Each thread's policy and priority: the main one first. */
function threads({ pid }: Started): { policy: number; priority: number }[] {
  const tasks = readdirSync(`/proc/${pid}/task`).toSorted((a, b) => Number(a) - Number(b));
  return tasks.map((task) => scheduling(readFileSync(`/proc/${pid}/task/${task}/stat`, "latin1")));
}

describe.each(languages)("G6: scheduling in $name", ({ name, start, either }) => {
  const end = async (options: NodeText["options"], before: readonly string[]): Promise<Ended> =>
    (await start({ options: options ?? {}, step: "return 1" }, { before })).ended;

  realtimeTest.each([
    { options: { realtime: true, priority: 20 }, says: "fifo 20" },
    { options: { realtime: true, policy: "rr" }, says: "rr 10" },
    { options: { realtime: true, policy: "rr", priority: 10 }, says: "rr 10" },
    { options: { realtime: false }, says: "not real-time" },
  ])("the project file wins over $options, and that is said", async ({ options, says }) => {
    const { stderr } = await end(options, fifo10);
    expect(stderr).toContain(`test: the project file's fifo 10 holds; the constructor says ${says}\n`);
  });

  realtimeTest("where they agree nothing is said, nor of what the constructor leaves open", async () => {
    for (const options of [{ realtime: true }, { realtime: true, policy: "fifo", priority: 10 }]) {
      const { stderr } = await end(options, [...fifo10, "--lock-memory"]);
      expect(stderr).toMatch(/^test: 0 cycles, .*$/);
    }
  });

  test("a launch without a real-time policy is no real-time launch", async () => {
    const { stderr } = await end({ realtime: true }, [launcher]);
    expect(stderr).toMatch(
      /^test: not real-time: the launch options give it no real-time policy; memory is not locked; start it with rt-launch/,
    );
  });

  test("what is refused by hand is said once, and the node runs", async () => {
    const { exitCode, stderr } = await end({ realtime: true, priority: 20 }, powerless);
    expect(exitCode).toBe(1);
    const lacks = either(
      "policy fifo priority 20 was refused (Operation not permitted); memory is not locked; start it with rt-launch",
      "no real-time policy; memory is not locked; start it with rt-launch --policy fifo --priority 20 --lock-memory",
    );
    expect(stderr.split("\n")[0]).toBe(`test: not real-time: ${lacks}`);
  });

  realtimeTest("G7: only the main thread is real-time", async () => {
    const text = { step: 'say_when(self.n == 5, "ready"); return 0' };
    for (const before of name === "Python" ? [fifo10, ["chrt", "--fifo", "10"]] : [fifo10]) {
      const node = await start(text, { before });
      await node.printed(/ready/);
      const [main, ...helpers] = threads(node);
      node.kill("SIGTERM");
      await node.ended;
      expect(main).toMatchObject({ policy: 1, priority: 10 });
      expect(helpers.length).toBeGreaterThan(0);
      for (const helper of helpers) expect(helper).toMatchObject({ policy: 0, priority: 0 });
    }
  });

  test("G8: the launcher becomes the node, which starts no other process", async () => {
    const text = { step: 'say_when(self.n == 5, "ready"); return 0' };
    const node = await start(text, { before: [launcher] });
    await node.printed(/ready/);
    const children = readFileSync(`/proc/${node.pid}/task/${node.pid}/children`, "utf8");
    const program = readFileSync(`/proc/${node.pid}/cmdline`, "utf8").split("\0")[0];
    node.kill("SIGTERM");
    expect((await node.ended).exitCode).toBe(0);
    expect(children).toBe("");
    expect(program).toBe(either("/usr/bin/python3", process.execPath));
  });
});

realtimeTest("G6: a Python node by hand takes the policy itself", async () => {
  const [python] = languages;
  const node = await python?.start({
    options: { realtime: true, policy: "rr", priority: 12 },
    step: 'say_when(self.n == 5, "ready"); return 0',
  });
  await node?.printed(/ready/);
  expect(node && threads(node)[0]).toMatchObject({ policy: 2, priority: 12 });
  node?.kill("SIGTERM");
  expect((await node?.ended)?.stderr).toMatch(/^test: not real-time: memory is not locked; start it with rt-launch\n/);
});
